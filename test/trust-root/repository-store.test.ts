import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import test from 'ava';

import { FileRepositoryStore } from '../../trust-root/repository-store-files.ts';
import { MemoryRepositoryStore } from '../../trust-root/repository-store-memory.ts';
import { testRepositoryStore, timestampOf } from '../contracts/repository-store.ts';

testRepositoryStore(test, 'in memory', async () => ({ store: new MemoryRepositoryStore() }));

testRepositoryStore(test, 'in a folder', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-store-'));
  return { store: new FileRepositoryStore(folder), dispose: () => rm(folder, { recursive: true }) };
});

for (const [whose, content] of [
  ['a process that was killed', '4194303999 1'],
  ['an earlier process with the same pid', `${process.pid} 1`],
] as const) {
  test(`in a folder: the lock of ${whose} is taken over`, async (t) => {
    const folder = await mkdtemp(path.join(tmpdir(), 'sealift-store-'));
    await writeFile(path.join(folder, '.publish.lock'), content);
    const store = new FileRepositoryStore(folder);
    await store.publish(new Map([['timestamp.json', timestampOf(1)]]), { timestampVersion: undefined });
    t.deepEqual(await store.list(), ['timestamp.json']);
    await rm(folder, { recursive: true });
  });
}
