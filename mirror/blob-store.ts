import { createHash } from 'node:crypto';

import { type Digest, digestOf } from '../appliance/kernel/digest.ts';
import type { Descriptor } from './descriptor.ts';
import { MirrorError } from './mirror-error.ts';

/** What a blob is asked for by. */
export type BlobKey = Pick<Descriptor, 'digest' | 'size'>;

/** Bytes at once, or as they come. */
export type BlobSource = Uint8Array | AsyncIterable<Uint8Array>;

/**
 * Content by its digest. What is read is what the digest says: contents are checked on write and again on read, so a
 * store on a disk that anybody else can write to is still safe to read from.
 */
export interface BlobStore {
  /**
   * The blob's bytes, checked against digest and size.
   * @throws MirrorError `BLOB_NOT_FOUND`, `BLOB_CORRUPT`.
   */
  read(blob: BlobKey): Promise<Buffer>;
  /** True when a blob of that digest has been written. Its content is not checked before it is read. */
  has(digest: Digest): Promise<boolean>;
  /**
   * Keeps `source` under `digest`, whole or not at all; one that is there already and sound is left alone.
   * @throws MirrorError `BLOB_CORRUPT` when the content has another digest, `BLOB_TOO_LARGE` beyond `maxBytes`.
   */
  write(digest: Digest, source: BlobSource, limits?: { maxBytes?: number }): Promise<void>;
  /** Digests of everything kept, sorted. */
  list(): Promise<Digest[]>;
  /** Forgets a blob; nothing happens when there is none. */
  delete(digest: Digest): Promise<void>;
}

/** Blobs in memory, for tests and short-lived work. */
export function memoryBlobStore(): BlobStore {
  const blobs = new Map<Digest, Buffer>();
  return {
    read: async (blob) => {
      const bytes = blobs.get(blob.digest);
      if (bytes === undefined) throw blobNotFound(blob.digest);
      checkBlob(bytes, blob);
      return bytes;
    },
    has: async (digest) => blobs.has(digest),
    write: async (digest, source, limits) => {
      if (blobs.has(digest)) return;
      const chunks: Uint8Array[] = [];
      for await (const chunk of checkedChunks(source, digest, limits?.maxBytes)) chunks.push(Buffer.from(chunk));
      blobs.set(digest, Buffer.concat(chunks));
    },
    list: async () => [...blobs.keys()].sort(),
    delete: async (digest) => {
      blobs.delete(digest);
    },
  };
}

/** The chunks of `source`, passed on as they come; fails at the end when they do not add up to `digest`. */
export async function* checkedChunks(
  source: BlobSource,
  digest: Digest,
  maxBytes = Number.POSITIVE_INFINITY,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let received = 0;
  for await (const chunk of source instanceof Uint8Array ? [source] : source) {
    received += chunk.byteLength;
    if (received > maxBytes) {
      throw new MirrorError('BLOB_TOO_LARGE', `${digest}: more than the ${maxBytes} bytes that are taken`);
    }
    hash.update(chunk);
    yield chunk;
  }
  const actual = `sha256:${hash.digest('hex')}`;
  if (actual !== digest) throw corrupt(digest, `its content has the digest ${actual}`);
}

/** Checks bytes that were read against what they were asked for by. @throws MirrorError `BLOB_CORRUPT`. */
export function checkBlob(bytes: Uint8Array, { digest, size }: BlobKey): void {
  if (bytes.byteLength !== size) throw corrupt(digest, `${bytes.byteLength} bytes instead of ${size}`);
  const actual = digestOf(bytes);
  if (actual !== digest) throw corrupt(digest, `its content has the digest ${actual}`);
}

/** The error for a blob that a store does not hold. */
export function blobNotFound(digest: Digest, cause?: unknown): MirrorError {
  return new MirrorError('BLOB_NOT_FOUND', `${digest} is not in the store`, { cause });
}

function corrupt(digest: Digest, why: string): MirrorError {
  return new MirrorError('BLOB_CORRUPT', `${digest}: ${why}`);
}
