import { mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import test from 'ava';

import { replaceSymlink, writeFileAtomic } from '../../../appliance/kernel/atomic-file.ts';

async function folder(t: { teardown(fn: () => Promise<void>): void }): Promise<string> {
  const made = await mkdtemp(path.join(tmpdir(), 'sealift-'));
  t.teardown(() => rm(made, { recursive: true }));
  return made;
}

test('a file is replaced whole and nothing else is left beside it', async (t) => {
  const dir = await folder(t);
  await writeFileAtomic(path.join(dir, 'a'), 'old');
  await writeFileAtomic(path.join(dir, 'a'), 'new');
  t.is(await readFile(path.join(dir, 'a'), 'utf8'), 'new');
  t.deepEqual(await readdir(dir), ['a']);
});

test('a secret file is readable by its owner alone', async (t) => {
  const dir = await folder(t);
  await writeFileAtomic(path.join(dir, 'key'), 'secret', { mode: 0o600 });
  t.is((await stat(path.join(dir, 'key'))).mode & 0o777, 0o600);
});

test('a write that fails leaves the old content and no temporary file', async (t) => {
  const dir = await folder(t);
  await writeFileAtomic(path.join(dir, 'a', 'b'), 'old');
  await t.throwsAsync(writeFileAtomic(path.join(dir, 'a'), 'new'));
  t.deepEqual(await readdir(dir), ['a']);
  t.is(await readFile(path.join(dir, 'a', 'b'), 'utf8'), 'old');
});

test('a symbolic link moves to its new target in one step', async (t) => {
  const dir = await folder(t);
  await replaceSymlink(path.join(dir, 'current'), 'one');
  await replaceSymlink(path.join(dir, 'current'), 'two');
  t.is(await readlink(path.join(dir, 'current')), 'two');
  t.deepEqual(await readdir(dir), ['current']);
});
