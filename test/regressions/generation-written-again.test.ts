// A generation that is damaged is written again as `000000000001-2`; the webhook took no folder of such a name, and was
// never ready on that node again.

import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import test from 'ava';
import { replaceSymlink } from '../../appliance/kernel/atomic-file.ts';
import { clockAt } from '../../appliance/kernel/clock.ts';
import { silentLog } from '../../appliance/kernel/log.ts';
import { TrustSource } from '../../appliance/webhook/trust-source.ts';
import { readFloor } from '../../trust-root/floor.ts';
import { followRepository, pinRoot } from '../../trust-root/follow.ts';
import { nodePaths, type VerifiedGeneration, verifyGeneration } from '../../trust-root/generation.ts';
import { storeTransport } from '../../trust-root/tuf-transport.ts';
import { repositoryWorld } from '../trust-root/world/repository-world.ts';

test('the webhook takes a generation that had to be written again', async (t) => {
  const { store, root, clock } = await repositoryWorld({ targets: { 'policies.json': '{}' } });
  const base = await mkdtemp(path.join(tmpdir(), 'sealift-again-'));
  t.teardown(() => rm(base, { recursive: true, force: true }));
  const paths = nodePaths(base);
  await mkdir(paths.generations);
  await pinRoot(paths, root);
  const follow = async () => await followRepository({ paths, transport: storeTransport(store), clock });
  await follow();
  const targets = path.join(paths.current, 'targets');
  for (const name of await readdir(targets)) await writeFile(path.join(targets, name), 'damaged');
  await follow();
  t.is(await readlink(paths.current), 'generations/000000000001-2');

  const trust = new TrustSource<number>({
    paths,
    rootSha256: createHash('sha256').update(root).digest('hex'),
    clock,
    log: silentLog,
    verify: async (folder, pinnedRoot) =>
      await verifyGeneration(folder, { pinnedRoot, clock, floor: await readFloor(paths.floor) }),
    read: async ({ number }) => number,
  });
  t.true(await trust.look());
  t.is(trust.fault(), undefined);
});

for (const [root, outcome] of [
  [2, 'taken'],
  [1, 'refused'],
] as const) {
  test(`numbers that start over under root v${root} are ${outcome}`, async (t) => {
    const base = await mkdtemp(path.join(tmpdir(), 'sealift-recovery-'));
    t.teardown(() => rm(base, { recursive: true, force: true }));
    const paths = nodePaths(base);
    await writeFile(paths.pinnedRoot, 'root');
    const made = (number: number, version: number): VerifiedGeneration => ({
      number,
      versions: { root: version },
      signedAt: new Date(0),
      expiries: [],
      targetNames: () => [],
      target: async () => Buffer.alloc(0),
      targetCustom: () => ({}),
    });
    const trust = new TrustSource<number>({
      paths,
      rootSha256: createHash('sha256').update('root').digest('hex'),
      clock: clockAt('2026-01-01T00:00:00Z'),
      log: silentLog,
      verify: async (folder) => (folder.endsWith('12') ? made(12, 1) : made(1, root)),
      read: async ({ number }) => number,
    });
    await replaceSymlink(paths.current, 'generations/000000000012');
    await trust.look();
    await replaceSymlink(paths.current, 'generations/000000000001');
    t.is((await trust.look()) ? 'taken' : 'refused', outcome);
  });
}
