import { type FileHandle, open } from 'node:fs/promises';

import type { Digest } from '../appliance/kernel/digest.ts';
import { assertPlaced, bodyBytes, headBytes, INVENTORY_PATH, SIGNATURE_PATH } from './archive-layout.ts';
import { checkBlob } from './blob-store.ts';
import {
  type Attachment,
  digestAt,
  type Inventory,
  type InventoryMember,
  MAX_INVENTORY_BYTES,
  parseInventory,
} from './inventory.ts';
import { MAX_SIGNATURE_BYTES, verifyInventorySignature } from './inventory-signature.ts';
import { MirrorError } from './mirror-error.ts';
import { claimedSize, memberBytes, TAR_BLOCK, tarHeader } from './tar.ts';

/** A bundle that is open for reading in place. Its inventory is signed; contents are checked as told below. */
export interface BundleReader {
  readonly path: string;
  /** Size of the file. */
  readonly bytes: number;
  readonly inventory: Inventory;
  /** Fingerprint of the key that signed the inventory. */
  readonly signedBy: Digest;
  /** Where the third member's header is: what the inventory's offsets count from. */
  readonly base: number;
  has(digest: Digest): boolean;
  /** Size of a blob. @throws MirrorError `BLOB_NOT_FOUND`. */
  sizeOf(digest: Digest): number;
  /** A whole blob, checked against its digest. @throws MirrorError `BLOB_NOT_FOUND`, `BUNDLE_DIGEST_MISMATCH`. */
  readBlob(digest: Digest, limits?: { maxBytes?: number }): Promise<Buffer>;
  /**
   * Bytes of a blob from `start` to `end` (exclusive), all unless told. Not checked: for receivers that check the digest
   * themselves, after `verifyBundle`.
   */
  streamBlob(digest: Digest, start?: number, end?: number): AsyncIterable<Buffer>;
  /** Bytes of the file itself. @throws MirrorError `BUNDLE_TRUNCATED` when they end before `length`. */
  readAt(position: number, length: number): Promise<Buffer>;
  /** Attachments of a kind, or all. */
  attachments(kind?: string): readonly Attachment[];
  close(): Promise<void>;
}

/** Whose bundles are taken. */
export interface OpenOptions {
  /** Fingerprints (`sha256:…` of the SPKI) of the keys that may have signed. */
  readonly trustedKeys: readonly Digest[];
}

const READ_BYTES = 1024 * 1024;
const DEFAULT_MAX_BLOB_BYTES = 512 * 1024 * 1024;

/**
 * Opens a bundle: checks the signature over its inventory, that the inventory can be true, and that the file is exactly
 * as long as it says. Contents are checked by `verifyBundle`, or blob by blob when read.
 * @throws MirrorError `BUNDLE_NOT_FOUND`, `BUNDLE_UNTRUSTED_KEY`, `BUNDLE_SIGNATURE_INVALID`, `BUNDLE_MALFORMED`,
 *   `BUNDLE_TRUNCATED`, `BUNDLE_TRAILING_DATA`, `INVENTORY_INVALID`.
 */
export async function openBundle(path: string, { trustedKeys }: OpenOptions): Promise<BundleReader> {
  return await openWith(path, trustedKeys);
}

/** Opens a bundle whoever signed it: to look inside, never to take something from it. */
export async function openBundleOfAnyKeyUnsafe(path: string): Promise<BundleReader> {
  return await openWith(path, undefined);
}

async function openWith(path: string, trustedKeys: readonly Digest[] | undefined): Promise<BundleReader> {
  const handle = await open(path, 'r').catch((cause: unknown) => {
    throw new MirrorError('BUNDLE_NOT_FOUND', `${path} can't be opened`, { cause, fix: 'check the path' });
  });
  try {
    return await readHead(path, handle, trustedKeys);
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function readHead(
  path: string,
  handle: FileHandle,
  trustedKeys: readonly Digest[] | undefined,
): Promise<BundleReader> {
  const { size: bytes } = await handle.stat();
  const first = await readMember(handle, 0, { path: INVENTORY_PATH, maxBytes: MAX_INVENTORY_BYTES });
  const signatureAt = memberBytes(first.byteLength);
  const second = await readMember(handle, signatureAt, { path: SIGNATURE_PATH, maxBytes: MAX_SIGNATURE_BYTES });
  const signedBy = verifyInventorySignature(first, second, trustedKeys);
  const inventory = parseInventory(first);
  assertPlaced(inventory);
  const base = headBytes({ inventory: first.byteLength, signature: second.byteLength });
  assertLength(path, { bytes, expected: base + bodyBytes(inventory.members) });
  return bundleReader({ path, handle, bytes, inventory, signedBy, base });
}

/** Reads one of the first two members, whose sizes only their headers tell. The header must be the one that we write. */
async function readMember(
  handle: FileHandle,
  position: number,
  { path, maxBytes }: { path: string; maxBytes: number },
): Promise<Buffer> {
  const header = await readExactly(handle, position, TAR_BLOCK);
  const size = claimedSize(header);
  if (size === undefined || size > maxBytes || !header.equals(tarHeader(path, size))) {
    throw new MirrorError('BUNDLE_MALFORMED', `this is no Sealift bundle: ${path} is not where it should be`, {
      fix: 'check the path, or get the bundle again',
    });
  }
  const padded = await readExactly(handle, position + TAR_BLOCK, memberBytes(size) - TAR_BLOCK);
  if (padded.subarray(size).some((byte) => byte !== 0)) {
    throw new MirrorError('BUNDLE_MALFORMED', `there is something behind ${path} that does not belong there`);
  }
  return padded.subarray(0, size);
}

function assertLength(path: string, { bytes, expected }: { bytes: number; expected: number }): void {
  if (bytes < expected) throw truncated(`${path} ends after ${bytes} of ${expected} bytes`);
  if (bytes > expected) {
    throw new MirrorError(
      'BUNDLE_TRAILING_DATA',
      `${path} goes on after its end: ${bytes} bytes instead of ${expected}`,
    );
  }
}

interface OpenParts extends Pick<BundleReader, 'path' | 'bytes' | 'inventory' | 'signedBy' | 'base'> {
  readonly handle: FileHandle;
}

function bundleReader({ handle, ...parts }: OpenParts): BundleReader {
  const members = new Map<Digest, InventoryMember>();
  for (const member of parts.inventory.members) {
    const digest = digestAt(member.path);
    if (digest !== undefined) members.set(digest, member);
  }
  const find = (digest: Digest): InventoryMember => {
    const member = members.get(digest);
    if (member === undefined) throw new MirrorError('BLOB_NOT_FOUND', `the bundle does not hold ${digest}`);
    return member;
  };
  return {
    ...parts,
    has: (digest) => members.has(digest),
    sizeOf: (digest) => find(digest).size,
    readBlob: async (digest, { maxBytes = DEFAULT_MAX_BLOB_BYTES } = {}) => {
      const { size, offset } = find(digest);
      if (size > maxBytes)
        throw new MirrorError('BLOB_TOO_LARGE', `${digest}: ${size} bytes, at most ${maxBytes} taken`);
      const bytes = await readExactly(handle, parts.base + offset, size);
      assertMember(bytes, { digest, size });
      return bytes;
    },
    streamBlob: (digest, start = 0, end = find(digest).size) =>
      streamOf(handle, {
        from: parts.base + find(digest).offset + start,
        length: Math.min(end, find(digest).size) - start,
      }),
    readAt: async (position, length) => await readExactly(handle, position, length),
    attachments: (kind) => parts.inventory.attachments.filter((each) => kind === undefined || each.kind === kind),
    close: async () => await handle.close(),
  };
}

/** Checks content of the archive. @throws MirrorError `BUNDLE_DIGEST_MISMATCH`, naming the blob. */
export function assertMember(bytes: Buffer, member: { digest: Digest; size: number }): void {
  try {
    checkBlob(bytes, member);
  } catch (cause) {
    throw digestMismatch(member.digest, cause);
  }
}

/** The error for content of the archive that is not what the inventory says. */
export function digestMismatch(what: string, cause?: unknown): MirrorError {
  return new MirrorError('BUNDLE_DIGEST_MISMATCH', `the bundle is damaged: ${what} has other content`, {
    cause,
    fix: 'get the bundle again; nothing was taken from it',
  });
}

async function* streamOf(
  handle: FileHandle,
  { from, length }: { from: number; length: number },
): AsyncGenerator<Buffer> {
  for (let done = 0; done < length; ) {
    const chunk = await readExactly(handle, from + done, Math.min(READ_BYTES, length - done));
    yield chunk;
    done += chunk.byteLength;
  }
}

async function readExactly(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) throw truncated(`the bundle ends at byte ${position + filled}`);
    filled += bytesRead;
  }
  return buffer;
}

function truncated(why: string): MirrorError {
  return new MirrorError('BUNDLE_TRUNCATED', why, { fix: 'get the bundle again: it was not copied to its end' });
}
