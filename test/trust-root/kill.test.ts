import { type ChildProcess, spawn } from 'node:child_process';
import { watch } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import test from 'ava';

import { currentGeneration, followRepository, pinRoot } from '../../trust-root/follow.ts';
import { nodePaths } from '../../trust-root/generation.ts';
import { FileRepositoryStore } from '../../trust-root/repository-store-files.ts';
import { urlTransport } from '../../trust-root/tuf-transport.ts';
import { repositoryWorld } from './world/repository-world.ts';

const FOLLOW_ONCE = fileURLToPath(new URL('world/follow-once.ts', import.meta.url));

/** Kills `child` at the `count`th change that it makes below `folder`; resolves when it is gone, killed or done. */
async function killedAt(child: ChildProcess, folder: string, count: number): Promise<boolean> {
  let changes = 0;
  const watcher = watch(folder, { recursive: true }, () => {
    changes += 1;
    if (changes === count) child.kill('SIGKILL');
  });
  const signal = await new Promise<NodeJS.Signals | null>((resolve) => child.on('exit', (_code, by) => resolve(by)));
  watcher.close();
  return signal === 'SIGKILL';
}

test('a node killed at any moment has a whole generation, the old one or the new, and the next run goes on', async (t) => {
  const world = await repositoryWorld({ algorithm: 'ed25519', targets: { 'a.json': '0' } });
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-kill-'));
  const paths = nodePaths(path.join(folder, 'node'));
  const repository = path.join(folder, 'repository');
  const store = new FileRepositoryStore(repository);
  await mkdir(paths.generations, { recursive: true });
  await pinRoot(paths, world.root);
  await store.publish(world.store.snapshot(), { timestampVersion: undefined });
  const here = { paths, transport: urlTransport(pathToFileURL(repository)), clock: world.clock };
  await followRepository(here);
  let killed = 0;
  for (let round = 1; round <= 10; round += 1) {
    await world.siteState(
      Object.fromEntries([1, 2, 3, 4].map((n) => [`site-state/${n}.json`, `${round}-${n}`.repeat(5_000)])),
    );
    await store.publish(world.store.snapshot(), { timestampVersion: round });
    const args = [FOLLOW_ONCE, paths.base, repository, world.clock.now().toISOString()];
    const child = spawn(process.execPath, args, { stdio: 'ignore' });
    if (await killedAt(child, paths.base, 1 + round * 3)) killed += 1;
    const { number } = await currentGeneration(paths, world.clock);
    t.true(number === round || number === round + 1, `generation ${number} in round ${round}`);
    t.is((await followRepository(here)).generation.number, round + 1);
    t.true((await readdir(paths.generations)).every((name) => /^\d{12}$/.test(name)));
  }
  t.log(`${killed} of 10 were killed in the middle`);
  t.true(killed > 0);
  await rm(folder, { recursive: true });
});
