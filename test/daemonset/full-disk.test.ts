import { execFile } from 'node:child_process';
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

import test from 'ava';

import { agentWorld } from './agent-world.ts';

const run = promisify(execFile);

/** Fills what is left of a file system. */
async function fill(folder: string): Promise<string> {
  const file = path.join(folder, 'filler');
  const { bavail, bsize } = await statfs(folder);
  await writeFile(file, Buffer.alloc(bavail * bsize));
  return file;
}

test('on a full disk the last good generation stays and is told; with room again the node goes on', async (t) => {
  const world = await agentWorld(t);
  const { base } = world.paths;
  await mkdir(base, { recursive: true });
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', base]).then(
    () => true,
    () => false,
  );
  if (!mounted) {
    t.log('a small file system can only be mounted as root; skipped');
    t.pass();
    return;
  }
  t.teardown(async () => await run('umount', ['-l', base]));
  await world.pushSigned('v1');
  await world.publishState();
  const agent = world.newAgent();
  await agent.start();
  await agent.step();
  t.is(await world.said(), 'True Synced 2');
  const filler = await fill(base);
  await world.pushSigned('v2');
  await world.publishState();
  await agent.step();
  t.is(await world.said(), 'True DiskFull 2');
  const restarted = world.newAgent();
  await restarted.start();
  await restarted.step();
  t.is(await world.said(), 'True DiskFull 2');
  await rm(filler);
  await restarted.step();
  t.is(await world.said(), 'True Synced 3');
});
