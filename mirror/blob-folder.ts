import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';

import { syncDirectory } from '../appliance/kernel/atomic-file.ts';
import { type Digest, digestFromHex, hexOf } from '../appliance/kernel/digest.ts';
import { type BlobKey, type BlobStore, blobNotFound, checkBlob, checkedChunks } from './blob-store.ts';

/**
 * Blobs in files, `<root>/sha256/<64 hex digits>`, and nothing else there that counts: names starting with a dot are
 * writes under way. A blob appears by rename after its content is on the disk, so a crash leaves no torn blob.
 */
export function fileBlobStore(root: string): BlobStore {
  const folder = path.join(root, 'sha256');
  const fileOf = (digest: Digest): string => path.join(folder, hexOf(digest));
  return {
    read: async (blob) => await readChecked(fileOf(blob.digest), blob),
    has: async (digest) => await isFile(fileOf(digest)),
    write: async (digest, source, limits) => {
      if (await isSound(fileOf(digest), digest)) return;
      await mkdir(folder, { recursive: true });
      await writeWhole(fileOf(digest), checkedChunks(source, digest, limits?.maxBytes));
    },
    list: async () => {
      const names = await readdir(folder).catch(emptyWhenMissing);
      return names
        .filter((name) => /^[0-9a-f]{64}$/.test(name))
        .map(digestFromHex)
        .sort();
    },
    delete: async (digest) => await rm(fileOf(digest), { force: true }),
  };
}

async function readChecked(file: string, blob: BlobKey): Promise<Buffer> {
  const handle = await open(file, 'r').catch((cause: unknown) => {
    throw isMissing(cause) ? blobNotFound(blob.digest, cause) : cause;
  });
  try {
    // One byte more than asked for tells a file that has grown without reading all of it.
    const buffer = Buffer.alloc(blob.size + 1);
    let filled = 0;
    while (filled < buffer.length) {
      const { bytesRead } = await handle.read(buffer, filled, buffer.length - filled, filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    const bytes = buffer.subarray(0, filled);
    checkBlob(bytes, blob);
    return bytes;
  } finally {
    await handle.close();
  }
}

async function writeWhole(file: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${randomBytes(6).toString('hex')}`);
  try {
    const handle = await open(temporary, 'wx', 0o644);
    try {
      for await (const chunk of chunks) await handle.writeFile(chunk);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(path.dirname(file));
}

/** True when the file is there and its content has the digest: one that was damaged is written anew. */
async function isSound(file: string, digest: Digest): Promise<boolean> {
  const handle = await open(file, 'r').catch((cause: unknown) => {
    if (isMissing(cause)) return undefined;
    throw cause;
  });
  if (handle === undefined) return false;
  try {
    const chunks = checkedChunks(handle.createReadStream({ autoClose: false }), digest);
    while ((await chunks.next()).done !== true);
    return true;
  } catch {
    return false;
  } finally {
    await handle.close();
  }
}

async function isFile(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined))?.isFile() ?? false;
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

function emptyWhenMissing(error: unknown): string[] {
  if (isMissing(error)) return [];
  throw error;
}
