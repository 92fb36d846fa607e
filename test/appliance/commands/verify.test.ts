import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';

import test, { type ExecutionContext } from 'ava';

import { policyCommand } from '../../../appliance/commands/policy.ts';
import { verifyCommand } from '../../../appliance/commands/verify.ts';
import { silentLog } from '../../../appliance/kernel/log.ts';
import type { Runtime } from '../../../appliance/runtime.ts';
import { fileBlobStore } from '../../../mirror/blob-folder.ts';
import { serializeEvidenceIndex } from '../../../mirror/evidence-index.ts';
import { DEVELOPER, IMAGE, keyless, OTHER_IMAGE, policyDocument } from '../../support/judge.ts';
import { sigstoreWorld } from '../../support/sigstore-world.ts';

const REFERENCE = `${IMAGE.name}@${IMAGE.digest}`;

/** A folder with a policy, a trusted root, a bundle and an evidence folder for a signed image. */
async function folderWith(t: ExecutionContext) {
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-verify-'));
  t.teardown(async () => await rm(folder, { recursive: true }));
  const world = sigstoreWorld();
  const signature = world.signImage(IMAGE, { identity: DEVELOPER });
  const write = async (name: string, content: Uint8Array | string) => await writeFile(path.join(folder, name), content);
  await write('policy.yaml', JSON.stringify(policyDocument([keyless()])));
  await write('trusted_root.json', world.domain().trustedRoot);
  await write('bundle.json', signature.document.layers[0]?.bytes ?? '');
  const blobs = fileBlobStore(folder);
  for (const [digest, bytes] of signature.blobs) await blobs.write(digest, bytes);
  await blobs.write(signature.manifestDigest, signature.manifest);
  const image = {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    repositories: [IMAGE.name],
    children: [],
    evidence: [signature.item],
  };
  const index = { schemaVersion: 1 as const, images: { [IMAGE.digest]: image }, tags: {} };
  await write('evidence-index.json', serializeEvidenceIndex(index));
  const stdout = new PassThrough();
  const runtime: Runtime = {
    clock: world.clock,
    log: silentLog,
    stdout,
    stderr: new PassThrough(),
    env: {},
    cwd: folder,
    isTty: false,
    signal: new AbortController().signal,
  };
  const run = async (...args: string[]): Promise<string> => {
    await verifyCommand(runtime).exitOverride().parseAsync(args, { from: 'user' });
    return String(stdout.read());
  };
  return { run, runtime, stdout };
}

const TRUST = ['--policy', 'policy.yaml', '--trusted-root', 'trusted_root.json'];

for (const [what, evidence] of [
  ['a bundle', ['--bundle', 'bundle.json']],
  ['an evidence folder', ['--evidence', '.']],
] as const) {
  test(`a signed image is verified by ${what}`, async (t) => {
    const { run } = await folderWith(t);
    t.regex(await run(REFERENCE, ...TRUST, ...evidence), /is admitted\n {2}policy acme: dev@example.com via/);
  });
}

test('a denial is told, and ends with exit code 3', async (t) => {
  const { run, stdout } = await folderWith(t);
  const other = `${OTHER_IMAGE.name}@${OTHER_IMAGE.digest}`;
  const error = await t.throwsAsync(run(other, ...TRUST, '--bundle', 'bundle.json'));
  t.like(error, { code: 'IMAGE_DENIED', exitCode: 3 });
  t.regex(String(stdout.read()), /is denied\n {2}DIGEST_MISMATCH: the signature is for another image/);
});

test('an image that the evidence does not know is no denial', async (t) => {
  const { run } = await folderWith(t);
  const other = `${OTHER_IMAGE.name}@${OTHER_IMAGE.digest}`;
  t.like(await t.throwsAsync(run(other, ...TRUST, '--evidence', '.')), { code: 'EVIDENCE_UNAVAILABLE', exitCode: 3 });
});

test('the verdict is printed as JSON', async (t) => {
  const { run } = await folderWith(t);
  const printed: unknown = JSON.parse(await run(REFERENCE, ...TRUST, '--bundle', 'bundle.json', '--json'));
  t.like(printed, { kind: 'admitted', image: REFERENCE });
});

for (const [what, args] of [
  ['no evidence', [REFERENCE, ...TRUST]],
  ['two sources of evidence', [REFERENCE, ...TRUST, '--bundle', 'bundle.json', '--evidence', '.']],
  ['a tag', [`${IMAGE.name}:v1`, ...TRUST, '--bundle', 'bundle.json']],
  ['a file that is not there', [REFERENCE, '--policy', 'missing.yaml', '--bundle', 'bundle.json']],
] as const) {
  test(`${what} is wrong usage`, async (t) => {
    const { run } = await folderWith(t);
    t.like(await t.throwsAsync(run(...args)), { code: 'OPTION_INVALID', exitCode: 2 });
  });
}

test('policies are linted', async (t) => {
  const { runtime, stdout } = await folderWith(t);
  await policyCommand(runtime).exitOverride().parseAsync(['lint', 'policy.yaml'], { from: 'user' });
  t.is(String(stdout.read()), '1 policies, 0 warnings\n');
});
