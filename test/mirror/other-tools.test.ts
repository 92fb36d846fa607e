import { execFile } from 'node:child_process';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

import test, { type ExecutionContext } from 'ava';
import { hexOf } from '../../appliance/kernel/digest.ts';
import { closureOf } from '../../mirror/closure.ts';
import { serializeEvidenceIndex } from '../../mirror/evidence-index.ts';
import { openBundle } from '../../mirror/open-bundle.ts';
import { publishBundle } from '../../mirror/publish.ts';
import { registryClient } from '../../mirror/registry-client.ts';
import { distributionPrograms, startDistribution } from './support/distribution.ts';
import { APP, bundleWorld, IMAGES, TOOL } from './support/world.ts';

const run = promisify(execFile);

/** True when the program is on this machine; otherwise says so, and the test has nothing to do. */
async function has(t: ExecutionContext, program: string): Promise<boolean> {
  try {
    await access(program);
    return true;
  } catch {
    t.log(`skipped: ${program} is not on this machine`);
    t.pass();
    return false;
  }
}

test('tar lists the inventory, its signature and the layout, in this order', async (t) => {
  const { file, created } = await bundleWorld(t);
  const { stdout } = await run('tar', ['-tf', file]);
  const members = created.inventory.members.map((member) => member.path);
  t.deepEqual(stdout.trim().split('\n'), ['sealift.json', 'sealift.json.sig', ...members]);
});

test('tar takes out what was put in', async (t) => {
  const { file, folder, upstream } = await bundleWorld(t);
  const out = path.join(folder, 'out');
  await mkdir(out);
  await run('tar', ['-xf', file, '-C', out]);
  const index = JSON.parse(await readFile(path.join(out, 'blobs', 'sha256', hexOf(upstream.app)), 'utf8')) as {
    manifests: unknown[];
  };
  t.is(index.manifests.length, 2);
});

for (const kind of ['ed25519', 'p256'] as const) {
  test(`a reader in Python, written from the documentation, takes a bundle signed with ${kind} and no other`, async (t) => {
    if (!(await has(t, '/usr/bin/python3'))) return;
    const { file, signer, created } = await bundleWorld(t, { kind });
    const reader = path.join(import.meta.dirname, 'support', 'read_bundle.py');
    const { stdout } = await run('python3', [reader, file, signer.fingerprint]);
    const { images } = JSON.parse(stdout) as { images: string[] };
    t.deepEqual(
      images,
      created.inventory.images.map(({ reference }) => reference),
    );
    const bytes = await readFile(file);
    bytes[bytes.byteLength - 3000] = (bytes.at(-3000) ?? 0) ^ 1;
    await writeFile(file, bytes);
    await t.throwsAsync(run('python3', [reader, file, signer.fingerprint]));
  });
}

test('skopeo finds every image under its full reference, and copies it with its digest', async (t) => {
  if (!(await has(t, '/usr/bin/skopeo'))) return;
  const { file, folder, upstream } = await bundleWorld(t);
  const policy = path.join(folder, 'policy.json');
  await writeFile(policy, '{"default":[{"type":"insecureAcceptAnything"}]}');
  for (const [reference, digest] of [
    [APP, upstream.app],
    [TOOL, upstream.tool],
  ] as const) {
    const out = path.join(folder, hexOf(digest));
    const args = ['--policy', policy, '--tmpdir', folder, 'copy', '--all', '--preserve-digests'];
    await run('skopeo', [...args, `oci-archive:${file}:${reference}`, `dir:${out}`]);
    const { stdout } = await run('sha256sum', [path.join(out, 'manifest.json')]);
    t.is(stdout.slice(0, 64), hexOf(digest));
  }
});

test('distribution v3 takes a bundle, and gives back the evidence it had', async (t) => {
  const program = (await distributionPrograms())['distribution v3'] ?? '/nowhere/registry';
  if (!(await has(t, program))) return;
  const world = await bundleWorld(t);
  const site = await startDistribution(program, world.folder);
  t.teardown(site.close);
  const client = registryClient({ mirrors: { '*': site.url } });
  t.teardown(async () => await client.close());
  const reader = await openBundle(world.file, { trustedKeys: [world.signer.fingerprint] });
  t.teardown(async () => await reader.close());
  t.like(await publishBundle(reader, client), { mountedBlobs: 2 });
  const there = await closureOf(client, IMAGES);
  t.true(serializeEvidenceIndex(there.evidence).equals(serializeEvidenceIndex(world.closure.evidence)));
  t.like(await publishBundle(reader, client), { sentBlobs: 0, mountedBlobs: 0, sentManifests: 0, setTags: 0 });
});

for (const [verb, more] of [
  ['takes', ['validation: {manifests: {indexes: {platforms: none}}}']],
  ['refuses, with what to do,', []],
] as const) {
  const told = more.length > 0 ? 'told to' : 'not told to';
  test(`distribution v3, ${told}, ${verb} an index of which some platforms are not there`, async (t) => {
    const program = (await distributionPrograms())['distribution v3'] ?? '/nowhere/registry';
    if (!(await has(t, program))) return;
    const world = await bundleWorld(t, { platforms: ['linux/amd64'] });
    const site = await startDistribution(program, world.folder, more);
    t.teardown(site.close);
    const client = registryClient({ mirrors: { '*': site.url } });
    t.teardown(async () => await client.close());
    const reader = await openBundle(world.file, { trustedKeys: [world.signer.fingerprint] });
    t.teardown(async () => await reader.close());
    if (more.length === 0) {
      const error = await t.throwsAsync(publishBundle(reader, client), { code: 'REGISTRY_STATUS' });
      t.regex(String((error as { fix?: string }).fix), /platforms to none/);
      return;
    }
    await publishBundle(reader, client);
    const repository = client.repository({ host: 'ghcr.io', repository: 'acme/app' });
    t.is(await repository.digestOf('v1'), world.upstream.app);
  });
}
