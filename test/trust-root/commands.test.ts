import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';

import test, { type ExecutionContext } from 'ava';

import { trustCommand } from '../../appliance/commands/trust.ts';
import { type AdjustableClock, clockAt } from '../../appliance/kernel/clock.ts';
import { silentLog } from '../../appliance/kernel/log.ts';
import type { Runtime } from '../../appliance/runtime.ts';
import { followRepository, pinRoot } from '../../trust-root/follow.ts';
import { nodePaths } from '../../trust-root/generation.ts';
import { statusOf } from '../../trust-root/refresh.ts';
import { DEFAULT_POLICY } from '../../trust-root/repository-policy.ts';
import { loadRepository } from '../../trust-root/repository-state.ts';
import { FileRepositoryStore } from '../../trust-root/repository-store-files.ts';
import { urlTransport } from '../../trust-root/tuf-transport.ts';
import { START } from './world/repository-world.ts';

const DAY = 86_400_000;

interface Shell {
  readonly folder: string;
  readonly clock: AdjustableClock;
  /** Runs `sealift trust …` and gives what it printed. */
  readonly run: (...args: string[]) => Promise<string>;
}

async function shell(t: ExecutionContext): Promise<Shell> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-trust-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const clock = clockAt(START);
  await writeFile(path.join(folder, 'policies.json'), '{"schemaVersion":1,"policies":[]}');
  const run = async (...args: string[]): Promise<string> => {
    let out = '';
    const sink = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        out += chunk.toString();
        done();
      },
    });
    const runtime: Runtime = {
      clock,
      log: silentLog,
      stdout: sink,
      stderr: sink,
      env: { SEALIFT_PASSPHRASE: 'correct horse' },
      cwd: folder,
      isTty: false,
      signal: new AbortController().signal,
    };
    const command = trustCommand(runtime).exitOverride();
    await command.parseAsync(args, { from: 'user' });
    return out;
  };
  return { folder, clock, run };
}

const REPOSITORY = ['--repository', 'repo'];
const KEYS = ['--keys', 'keys', '--online-keys', 'online'];
const INIT = ['init', ...REPOSITORY, ...KEYS, '--root-keys', '1-of-2', '--targets-keys', '1-of-1'];

test('init, publish, refresh, status and verify work on one repository', async (t) => {
  const { folder, clock, run } = await shell(t);
  t.regex(await run(...INIT), /warning: one root key(?:.|\n)*root v1 is sha256:[0-9a-f]{64}/);
  t.deepEqual(await readdir(path.join(folder, 'keys')), [
    'tuf-root-1.key.json',
    'tuf-root-2.key.json',
    'tuf-targets-1.key.json',
    'tuf-upstream-1.key.json',
  ]);
  t.regex(await run('publish', ...REPOSITORY, ...KEYS, '--target', 'policies.json=policies.json'), /timestamp v2/);
  clock.advance(DAY);
  t.regex(await run('refresh', ...REPOSITORY, '--keys', 'online'), /signed anew: timestamp; 0 old files/);
  t.regex(await run('refresh', ...REPOSITORY, '--keys', 'online'), /nothing was due/);
  t.regex(await run('status', ...REPOSITORY), /timestamp +v3 +2026-11-29 +7 d left +ok +1 of 1 +cluster/);

  const paths = nodePaths(path.join(folder, 'node'));
  await pinRoot(paths, await readFile(path.join(folder, 'repo/1.root.json')));
  const transport = urlTransport(pathToFileURL(path.join(folder, 'repo')));
  await followRepository({ paths, transport, clock });
  t.regex(await run('verify', 'node'), /generation 3(?:.|\n)*target: policies\.json/);
  t.regex(await run('verify', 'node/generations/000000000003', '--root', 'repo/1.root.json'), /generation 3/);
});

for (const role of ['root', 'targets', 'upstream']) {
  test(`${role} is signed anew with the keys it has, for another period`, async (t) => {
    const { folder, clock, run } = await shell(t);
    await run(...INIT);
    clock.advance(150 * DAY);
    t.regex(await run('renew', role, ...REPOSITORY, ...KEYS), new RegExp(`signed anew: ${role} v2`));
    await run('refresh', ...REPOSITORY, '--keys', 'online');
    const state = await loadRepository(new FileRepositoryStore(path.join(folder, 'repo')));
    const row = statusOf(state, DEFAULT_POLICY, clock.now()).find((status) => status.role === role);
    t.like(row, { version: 2, daysLeft: role === 'upstream' ? 180 : 400, condition: 'ok' });
  });
}

test('status asks for action when an offline role is due', async (t) => {
  const { clock, run } = await shell(t);
  await run(...INIT);
  clock.advance(130 * DAY);
  await run('refresh', ...REPOSITORY, '--keys', 'online');
  await t.throwsAsync(() => run('status', ...REPOSITORY), { code: 'ROLES_DUE', message: /upstream/ });
});

test('init over a repository is refused, and makes no keys', async (t) => {
  const { folder, run } = await shell(t);
  await run(...INIT);
  const again = INIT.map((arg) => (arg === 'keys' ? 'other' : arg));
  await t.throwsAsync(() => run(...again), { code: 'REPOSITORY_EXISTS' });
  t.false((await readdir(folder)).includes('other'));
});

test('publishing without the offline keys is refused', async (t) => {
  const { run } = await shell(t);
  await run(...INIT);
  const publish = run('publish', ...REPOSITORY, '--keys', 'online', '--online-keys', 'online', '--remove', 'x.json');
  await t.throwsAsync(() => publish, { code: 'SIGNER_MISSING' });
});

test('an upstream is captured from its URL', async (t) => {
  const { folder, run } = await shell(t);
  await run(...INIT, '--target', 'trusted_root.json=policies.json');
  const url = pathToFileURL(path.join(folder, 'repo')).href;
  const printed = await run(
    'capture',
    url,
    '--domain',
    'site.example',
    '--root',
    'repo/1.root.json',
    '--out',
    'capsule.json',
  );
  t.regex(printed, /site\.example: captured/);
  t.like(JSON.parse(await readFile(path.join(folder, 'capsule.json'), 'utf8')), {
    domain: 'site.example',
    schemaVersion: 1,
  });
});

test('the client kit holds the pinned root with its checksum, and the documents', async (t) => {
  const { folder, clock, run } = await shell(t);
  const config = {
    caUrls: [{ url: 'https://fulcio.example' }],
    rekorTlogUrls: [{ url: 'https://rekor.example' }],
    tsaUrls: [],
  };
  await writeFile(path.join(folder, 'config.json'), JSON.stringify(config));
  await run(...INIT, '--target', 'trusted_root.json=policies.json', 'signing_config.v0.2.json=config.json');
  const paths = nodePaths(path.join(folder, 'node'));
  const root = await readFile(path.join(folder, 'repo/1.root.json'));
  await pinRoot(paths, root);
  await followRepository({ paths, transport: urlTransport(pathToFileURL(path.join(folder, 'repo'))), clock });
  const from = [
    '--from',
    'node',
    '--root',
    'repo/1.root.json',
    '--ca',
    'policies.json',
    '--url',
    'https://tuf.example',
  ];
  t.regex(await run('kit', 'kit', ...from), /8 files/);
  const checksum = createHash('sha256').update(root).digest('hex');
  t.is(await readFile(path.join(folder, 'kit/root.json.sha256'), 'utf8'), `${checksum}  root.json\n`);
  const environment = await readFile(path.join(folder, 'kit/sigstore.env'), 'utf8');
  t.regex(environment, /FULCIO_URL=https:\/\/fulcio\.example\nREKOR_URL=https:\/\/rekor\.example\n/);
});

test('expiries from a file are kept to', async (t) => {
  const { folder, run } = await shell(t);
  const expiries = { timestamp: { expiryDays: 3, signAtDaysLeft: 2 }, root: { expiryDays: 90, signAtDaysLeft: 30 } };
  await writeFile(path.join(folder, 'expiries.json'), JSON.stringify(expiries));
  await run(...INIT, '--expiries', 'expiries.json');
  const roles = JSON.parse(await run('status', ...REPOSITORY, '--expiries', 'expiries.json', '--json')) as object[];
  t.like(roles[0], { role: 'timestamp', daysLeft: 3, condition: 'ok' });
  t.like(
    roles.find((row) => 'role' in row && row.role === 'root'),
    { daysLeft: 90 },
  );
  await writeFile(
    path.join(folder, 'expiries.json'),
    JSON.stringify({ timestamp: { expiryDays: 1, signAtDaysLeft: 2 } }),
  );
  await t.throwsAsync(() => run('status', ...REPOSITORY, '--expiries', 'expiries.json'), { code: 'CONFIG_INVALID' });
});

for (const [title, args] of Object.entries({
  'a threshold above the keys': ['init', ...REPOSITORY, ...KEYS, '--root-keys', '3-of-2'],
  'a target without a file': ['init', ...REPOSITORY, ...KEYS, '--target', 'policies.json'],
  'a folder and a cluster at once': ['status', ...REPOSITORY, '--in-cluster'],
})) {
  test(`${title} is refused as wrong usage`, async (t) => {
    const { run } = await shell(t);
    await t.throwsAsync(() => run(...args), { code: 'CONFIG_INVALID' });
  });
}
