import { createHash } from 'node:crypto';

import { digestOf } from '../appliance/kernel/digest.ts';
import { assertComplete } from './completeness.ts';
import { forEachLimited } from './concurrency.ts';
import type { ByteProgress } from './create-bundle.ts';
import type { InventoryMember } from './inventory.ts';
import { MirrorError } from './mirror-error.ts';
import { layoutIndex, OCI_LAYOUT } from './oci-layout.ts';
import { type BundleReader, digestMismatch } from './open-bundle.ts';
import { memberBytes, paddingAfter, TAR_BLOCK, TAR_END_BYTES, tarHeader } from './tar.ts';

/** How a bundle is verified. */
export interface VerifyOptions {
  /** Members read at the same time; 2 unless told. */
  readonly concurrency?: number;
  readonly onProgress?: (progress: ByteProgress) => void;
  readonly signal?: AbortSignal;
}

const DEFAULT_CONCURRENCY = 2;

/**
 * Checks every byte of an open bundle: each header and each padding is the one that belongs there, each content has its
 * digest, and everything that is referred to is there. After it a flipped byte anywhere has been found; before it
 * nothing may be taken from the bundle.
 * @throws MirrorError `BUNDLE_DIGEST_MISMATCH` naming the blob, `BUNDLE_MALFORMED`, `BUNDLE_INCOMPLETE`,
 *   `BUNDLE_TRUNCATED`, `INTERRUPTED`.
 */
export async function verifyBundle(reader: BundleReader, options: VerifyOptions = {}): Promise<void> {
  const { members } = reader.inventory;
  const { concurrency = DEFAULT_CONCURRENCY, onProgress, signal } = options;
  const totalBytes = members.reduce((total, { size }) => total + size, 0);
  let doneBytes = 0;
  const advance = (bytes: number): void => {
    if (signal?.aborted === true) throw new MirrorError('INTERRUPTED', 'interrupted');
    doneBytes += bytes;
    onProgress?.({ doneBytes, totalBytes });
  };
  advance(0);
  await forEachLimited(members, concurrency, async (member) => await verifyMember(reader, member, advance));
  await verifyEnd(reader);
  await assertComplete(reader);
  assertLayoutFiles(reader);
}

async function verifyMember(
  reader: BundleReader,
  { path, digest, size, offset }: InventoryMember,
  advance: (bytes: number) => void,
): Promise<void> {
  const header = await reader.readAt(reader.base + offset - TAR_BLOCK, TAR_BLOCK);
  if (!header.equals(tarHeader(path, size))) throw malformed(`the header of ${path}`);
  const hash = createHash('sha256');
  for await (const chunk of contentOf(reader, { from: reader.base + offset, size })) {
    hash.update(chunk);
    advance(chunk.byteLength);
  }
  if (`sha256:${hash.digest('hex')}` !== digest) throw digestMismatch(path);
  const padding = await reader.readAt(reader.base + offset + size, paddingAfter(size));
  if (padding.some((byte) => byte !== 0)) throw malformed(`the padding after ${path}`);
}

const READ_BYTES = 1024 * 1024;

async function* contentOf(
  reader: BundleReader,
  { from, size }: { from: number; size: number },
): AsyncGenerator<Buffer> {
  for (let done = 0; done < size; done += READ_BYTES) {
    yield await reader.readAt(from + done, Math.min(READ_BYTES, size - done));
  }
}

/** What other tools read the archive by says the same as the inventory: both are made from the same list. */
function assertLayoutFiles({ inventory: { members, images, evidence } }: BundleReader): void {
  const [layout, index] = members;
  const sound = layout?.digest === digestOf(OCI_LAYOUT) && index?.digest === digestOf(layoutIndex(images, evidence));
  if (!sound) throw malformed('index.json');
}

async function verifyEnd(reader: BundleReader): Promise<void> {
  const position = reader.inventory.members.reduce((total, { size }) => total + memberBytes(size), reader.base);
  const end = await reader.readAt(position, TAR_END_BYTES);
  if (end.some((byte) => byte !== 0)) throw malformed('the end of the archive');
}

function malformed(what: string): MirrorError {
  return new MirrorError('BUNDLE_MALFORMED', `the bundle is damaged: ${what} is not what it should be`, {
    fix: 'get the bundle again; nothing was taken from it',
  });
}
