import { randomBytes } from 'node:crypto';

import type { TestFn } from 'ava';
import { type Digest, digestOf } from '../../appliance/kernel/digest.ts';
import type { BlobStore } from '../../mirror/blob-store.ts';

/** What every {@link BlobStore} keeps to. `name` goes before each title. */
export function blobStoreContract(test: TestFn, name: string, make: () => Promise<BlobStore>): void {
  const other = digestOf('something else');

  test(`${name}: what is written is read back`, async (t) => {
    const store = await make();
    const bytes = randomBytes(70_000);
    const digest = digestOf(bytes);
    t.false(await store.has(digest));
    await store.write(digest, bytes);
    t.true(await store.has(digest));
    t.deepEqual(await store.read({ digest, size: bytes.length }), bytes);
    t.deepEqual(await store.list(), [digest]);
  });

  test(`${name}: a stream is taken chunk by chunk`, async (t) => {
    const store = await make();
    const digest = digestOf('one two three');
    await store.write(digest, stream('one ', 'two ', 'three'));
    t.is((await store.read({ digest, size: 13 })).toString(), 'one two three');
  });

  test(`${name}: an empty blob is a blob`, async (t) => {
    const store = await make();
    const digest = digestOf('');
    await store.write(digest, Buffer.alloc(0));
    t.is((await store.read({ digest, size: 0 })).length, 0);
  });

  test(`${name}: content of another digest is not kept`, async (t) => {
    const store = await make();
    await t.throwsAsync(store.write(other, Buffer.from('x')), { code: 'BLOB_CORRUPT' });
    t.false(await store.has(other));
    t.deepEqual(await store.list(), []);
  });

  test(`${name}: a source that fails leaves nothing`, async (t) => {
    const store = await make();
    await t.throwsAsync(store.write(digestOf('one two'), failing('one ')), { message: 'broken off' });
    t.deepEqual(await store.list(), []);
  });

  test(`${name}: more than the limit is refused`, async (t) => {
    const store = await make();
    await t.throwsAsync(store.write(digestOf('four'), Buffer.from('four'), { maxBytes: 3 }), {
      code: 'BLOB_TOO_LARGE',
    });
    t.false(await store.has(digestOf('four')));
  });

  test(`${name}: a blob asked for with another size is refused`, async (t) => {
    const store = await make();
    const digest = digestOf('four');
    await store.write(digest, Buffer.from('four'));
    await t.throwsAsync(store.read({ digest, size: 3 }), { code: 'BLOB_CORRUPT' });
    await t.throwsAsync(store.read({ digest, size: 5 }), { code: 'BLOB_CORRUPT' });
  });

  test(`${name}: a blob that is not there is named`, async (t) => {
    const store = await make();
    const error = await t.throwsAsync(store.read({ digest: other, size: 1 }), { code: 'BLOB_NOT_FOUND' });
    t.true(error.message.includes(other));
  });

  test(`${name}: writing twice, also at once, keeps one`, async (t) => {
    const store = await make();
    const digest = digestOf('twice');
    await Promise.all([store.write(digest, Buffer.from('twice')), store.write(digest, Buffer.from('twice'))]);
    await store.write(digest, Buffer.from('twice'));
    t.deepEqual(await store.list(), [digest]);
  });

  test(`${name}: a deleted blob is gone, and deleting it again is nothing`, async (t) => {
    const store = await make();
    const digest: Digest = digestOf('gone');
    await store.write(digest, Buffer.from('gone'));
    await store.delete(digest);
    await store.delete(digest);
    t.false(await store.has(digest));
  });
}

async function* stream(...parts: string[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part);
}

async function* failing(first: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(first);
  throw new Error('broken off');
}
