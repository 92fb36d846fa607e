import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import test from 'ava';
import { digestOf, hexOf } from '../../appliance/kernel/digest.ts';
import { fileBlobStore } from '../../mirror/blob-folder.ts';
import { memoryBlobStore } from '../../mirror/blob-store.ts';
import { blobStoreContract } from '../contracts/blob-store.ts';

const base = await mkdtemp(path.join(tmpdir(), 'sealift-blobs-'));
test.after.always(async () => await rm(base, { recursive: true, force: true }));

async function emptyFolder(): Promise<string> {
  return await mkdtemp(path.join(base, 'store-'));
}

blobStoreContract(test, 'in memory', async () => memoryBlobStore());
blobStoreContract(test, 'in files', async () => fileBlobStore(path.join(await emptyFolder(), 'not', 'yet')));

test('a file that was changed on the disk is refused when read, and put right when written', async (t) => {
  const root = await emptyFolder();
  const store = fileBlobStore(root);
  const digest = digestOf('sound');
  await store.write(digest, Buffer.from('sound'));
  await writeFile(path.join(root, 'sha256', hexOf(digest)), 'SOUND');
  await t.throwsAsync(store.read({ digest, size: 5 }), { code: 'BLOB_CORRUPT' });
  await store.write(digest, Buffer.from('sound'));
  t.is((await store.read({ digest, size: 5 })).toString(), 'sound');
});

test('a file that has grown is refused', async (t) => {
  const root = await emptyFolder();
  const store = fileBlobStore(root);
  const digest = digestOf('sound');
  await store.write(digest, Buffer.from('sound'));
  await writeFile(path.join(root, 'sha256', hexOf(digest)), 'sound and more');
  await t.throwsAsync(store.read({ digest, size: 5 }), { code: 'BLOB_CORRUPT' });
});

test('a failed write leaves no temporary file, and foreign files are not listed', async (t) => {
  const root = await emptyFolder();
  const store = fileBlobStore(root);
  await t.throwsAsync(store.write(digestOf('x'), Buffer.from('y')));
  t.deepEqual(await readdir(path.join(root, 'sha256')), []);
  await writeFile(path.join(root, 'sha256', 'README'), 'hello');
  t.deepEqual(await store.list(), []);
});
