import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough } from 'node:stream';

import test, { type ExecutionContext } from 'ava';
import { exitCodeOf } from '../../../appliance/exit-code.ts';
import { clockAt } from '../../../appliance/kernel/clock.ts';
import { parseImageReference } from '../../../appliance/kernel/image-reference.ts';
import { silentLog } from '../../../appliance/kernel/log.ts';
import { buildProgram } from '../../../appliance/program.ts';
import type { Runtime } from '../../../appliance/runtime.ts';
import { imageOf, push } from '../../mirror/support/images.ts';
import { APP, fillUpstream, registryWorld, TOOL, temporaryFolder } from '../../mirror/support/world.ts';
import { builtHelm } from '../../support/helm-template.ts';

/** What a command said. */
interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

type Cli = (...args: string[]) => Promise<Said>;

function cli(cwd: string): Cli {
  return async (...args) => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const runtime: Runtime = {
      clock: clockAt('2026-11-21T06:00:00Z'),
      log: silentLog,
      stdout,
      stderr,
      env: { PASS: 'correct horse battery' },
      cwd,
      isTty: false,
      signal: new AbortController().signal,
    };
    const program = buildProgram(runtime).exitOverride();
    const code = await program.parseAsync(['node', 'sealift', ...args]).then(
      () => 0,
      (error: unknown) => {
        stderr.write(String(error));
        return exitCodeOf(error);
      },
    );
    const textOf = (stream: PassThrough): string => String((stream.read() as Buffer | null) ?? '');
    return { code, stdout: textOf(stdout), stderr: textOf(stderr) };
  };
}

interface World {
  readonly run: Cli;
  readonly folder: string;
}

async function world(t: ExecutionContext, more: readonly string[] = []): Promise<World> {
  const folder = await temporaryFolder(t);
  const { client, origin } = await registryWorld(t);
  await fillUpstream(client);
  await push(client.repository(parseImageReference('quay.io/chart/needs:1')), imageOf('of the chart'), '1');
  await writeFile(path.join(folder, 'policy.yaml'), POLICY);
  const run = cli(folder);
  t.is((await run('bundle', 'keygen', '-o', 'release.key', '--passphrase-env', 'PASS')).code, 0);
  const config = [
    'schemaVersion: 1',
    'sequence: 4',
    `images: [${APP}, ${TOOL}]`,
    'policies: [policy.yaml]',
    `registries: { mirrors: { '*': '${origin}' } }`,
    'signing: { keyFile: release.key, passphrase: { from: env, name: PASS } }',
    ...more,
  ];
  await writeFile(path.join(folder, 'bundle.yaml'), config.join('\n'));
  return { run, folder };
}

const POLICY = `apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata: { name: all }
spec:
  images: [{ glob: "**" }]
  authorities: [{ static: { action: pass } }]
`;

test('a bundle is made, verified and shown by the commands', async (t) => {
  const { run, folder } = await world(t);
  const created = await run('bundle', 'create', '-c', 'bundle.yaml', '-o', 'out/site.tar');
  t.is(created.code, 0, created.stderr);
  t.regex(created.stderr, /image 2 of 2/);
  t.regex(created.stderr, /written: .* 100 %/);
  t.deepEqual(await readdir(path.join(folder, 'out')), ['site.tar']);
  const verified = await run('bundle', 'verify', 'out/site.tar', '--trust-key', 'release.key.pub');
  t.is(verified.code, 0, verified.stderr);
  t.regex(verified.stdout, /sound and whole. 2 images, .*sequence 4/);
  const inspected = await run('bundle', 'inspect', 'out/site.tar');
  t.regex(inspected.stdout, /ghcr\.io\/acme\/app:v1@sha256:[0-9a-f]{64} .*\[application\]/);
  t.regex(inspected.stdout, /signature \(tag \.sig\)/);
  t.regex(inspected.stdout, /policy policy\.yaml/);
  const json = JSON.parse((await run('bundle', 'inspect', 'out/site.tar', '--json')).stdout) as { images: unknown[] };
  t.is(json.images.length, 2);
});

test('what is wrong has its exit code', async (t) => {
  const { run, folder } = await world(t);
  t.is((await run('bundle', 'create', '-c', 'none.yaml', '-o', 'site.tar')).code, 2);
  t.is((await run('bundle', 'create', '-c', 'bundle.yaml', '-o', 'site.tar')).code, 0);
  t.is((await run('bundle', 'create', '-c', 'bundle.yaml', '-o', 'site.tar')).code, 2);
  t.is((await run('bundle', 'create', '-c', 'bundle.yaml', '-o', 'site.tar', '--overwrite')).code, 0);
  t.is((await run('bundle', 'verify', 'site.tar', '--trust-key', `sha256:${'0'.repeat(64)}`)).code, 3);
  t.is((await run('bundle', 'verify', 'none.tar', '--trust-key', 'release.key.pub')).code, 2);
  const file = path.join(folder, 'site.tar');
  const bytes = await readFile(file);
  bytes[bytes.byteLength - 2000] = (bytes.at(-2000) ?? 0) ^ 1;
  await writeFile(file, bytes);
  const refused = await run('bundle', 'verify', 'site.tar', '--trust-key', 'release.key.pub');
  t.is(refused.code, 3);
});

test('an image that is not there ends the making, and no file is left', async (t) => {
  const { run, folder } = await world(t, ['sealiftImages: [registry.sealift.internal/none:1]']);
  const created = await run('bundle', 'create', '-c', 'bundle.yaml', '-o', 'site.tar');
  t.is(created.code, 1);
  t.regex(created.stderr, /registry\.sealift\.internal\/none:1 is not in the registry/);
  t.false((await readdir(folder)).some((name) => name.startsWith('site.tar')));
});

test('a policy that is none ends the making before anything is fetched', async (t) => {
  const { run, folder } = await world(t);
  await writeFile(path.join(folder, 'policy.yaml'), 'kind: ConfigMap\n');
  const created = await run('bundle', 'create', '-c', 'bundle.yaml', '-o', 'site.tar');
  t.not(created.code, 0);
  t.notRegex(created.stderr, /image 1/);
});

test('images of charts are found and carried, with the charts and the programs', async (t) => {
  const helm = builtHelm();
  if (helm === undefined) {
    t.log('skipped: there is no helm on this machine');
    t.pass();
    return;
  }
  const platform = `linux/${process.arch === 'x64' ? 'amd64' : process.arch}`;
  const { run, folder } = await world(t, [
    'charts: [{ path: mine, values: { tag: "1" } }]',
    `helm: { ${platform}: ${helm} }`,
  ]);
  await mkdir(path.join(folder, 'mine', 'templates'), { recursive: true });
  await writeFile(path.join(folder, 'mine', 'Chart.yaml'), 'apiVersion: v2\nname: mine\nversion: 1.0.0\n');
  await writeFile(
    path.join(folder, 'mine', 'templates', 'job.yaml'),
    'kind: Job\napiVersion: batch/v1\nmetadata: {name: j}\nspec: {template: {spec: {containers: [{name: c, image: "quay.io/chart/needs:{{ .Values.tag }}"}]}}}\n',
  );
  const created = await run('bundle', 'create', '-c', 'bundle.yaml', '-o', 'site.tar');
  t.is(created.code, 0, created.stderr);
  const { stdout } = await run('bundle', 'inspect', 'site.tar');
  t.regex(stdout, /quay\.io\/chart\/needs:1@\S+ .*\[chart:mine\]/);
  t.regex(stdout, /chart mine/);
  t.regex(stdout, new RegExp(`helm helm ${platform}`));
});

test('the same input at the same time gives the same bytes', async (t) => {
  const { run, folder } = await world(t);
  for (const name of ['a.tar', 'b.tar']) t.is((await run('bundle', 'create', '-c', 'bundle.yaml', '-o', name)).code, 0);
  t.true((await readFile(path.join(folder, 'a.tar'))).equals(await readFile(path.join(folder, 'b.tar'))));
});
