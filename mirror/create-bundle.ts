import { type FileHandle, mkdir, open, rename, rm, stat, statfs } from 'node:fs/promises';
import path from 'node:path';

import { syncDirectory } from '../appliance/kernel/atomic-file.ts';
import { CodedError } from '../appliance/kernel/coded-error.ts';
import { type Digest, digestOf } from '../appliance/kernel/digest.ts';
import { formatImageReference } from '../appliance/kernel/image-reference.ts';
import {
  bodyBytes,
  headBytes,
  INVENTORY_PATH,
  placeMembers,
  SIGNATURE_PATH,
  type UnplacedMember,
} from './archive-layout.ts';
import type { AttachmentSource } from './attachment.ts';
import { checkedChunks } from './blob-store.ts';
import type { Closure, ResolvedImage } from './closure.ts';
import { forEachLimited } from './concurrency.ts';
import { parseEvidenceIndex, serializeEvidenceIndex } from './evidence-index.ts';
import {
  blobPath,
  INVENTORY_FORMAT,
  type Inventory,
  type InventoryImage,
  type InventoryMember,
  serializeInventory,
} from './inventory.ts';
import { type InventorySigner, signInventory } from './inventory-signature.ts';
import { MirrorError } from './mirror-error.ts';
import { layoutIndex, OCI_LAYOUT } from './oci-layout.ts';
import { memberBytes, TAR_BLOCK, tarHeader } from './tar.ts';
import { writeAt, writeStreamAt } from './write-at.ts';

/** How far a transfer is. Bytes never go backwards. */
export interface ByteProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** What goes into a bundle. Equal content, equal bytes (with an Ed25519 key; ECDSA signatures differ each time). */
export interface BundleContent {
  readonly closure: Closure;
  readonly attachments: readonly AttachmentSource[];
  /** What an image is there for; none unless told. */
  readonly rolesOf?: (image: ResolvedImage) => readonly string[];
  readonly createdAt: Date;
  readonly sequence: number;
}

/** How a bundle is written. */
export interface CreateOptions {
  readonly signer: InventorySigner;
  /** Blobs fetched at the same time; 6 unless told. */
  readonly concurrency?: number;
  readonly onProgress?: (progress: ByteProgress) => void;
  readonly signal?: AbortSignal;
  /** True replaces a file that is there. */
  readonly overwrite?: boolean;
}

/** What was written. */
export interface CreatedBundle {
  readonly path: string;
  readonly bytes: number;
  readonly inventory: Inventory;
}

const DEFAULT_CONCURRENCY = 6;

/**
 * Writes a bundle: all places are known before the first byte, so every blob streams from its source to where it stays.
 * The file appears under its name whole, or not at all.
 * @throws MirrorError `BUNDLE_EXISTS`, `BUNDLE_WRITE_FAILED`, `INTERRUPTED`, `BLOB_CORRUPT` and the client's.
 */
export async function createBundle(
  file: string,
  content: BundleContent,
  options: CreateOptions,
): Promise<CreatedBundle> {
  const images = imagesOf(content);
  const sources = sourcesOf(content, images);
  const inventory = inventoryOf(content, { images, members: placeMembers([...sources.values()]) });
  const inventoryBytes = serializeInventory(inventory);
  const signatureBytes = await signInventory(inventoryBytes, options.signer);
  const base = headBytes({ inventory: inventoryBytes.byteLength, signature: signatureBytes.byteLength });
  const bytes = base + bodyBytes(inventory.members);
  if (options.overwrite !== true) await assertAbsent(file);
  await writePartial(file, bytes, async (handle) => {
    await writeAt(handle, tarHeader(INVENTORY_PATH, inventoryBytes.byteLength), 0);
    await writeAt(handle, inventoryBytes, TAR_BLOCK);
    const signatureAt = memberBytes(inventoryBytes.byteLength);
    await writeAt(handle, tarHeader(SIGNATURE_PATH, signatureBytes.byteLength), signatureAt);
    await writeAt(handle, signatureBytes, signatureAt + TAR_BLOCK);
    await writeMembers({ handle, base, sources }, inventory, options);
  });
  return { path: file, bytes, inventory };
}

interface Source extends UnplacedMember {
  /** Gives the content, and fails when it is not of that digest and size. */
  readonly open: () => AsyncIterable<Uint8Array>;
}

/** Every member of the archive's body by its path, with where its content comes from. */
function sourcesOf(
  { closure, attachments }: BundleContent,
  images: readonly InventoryImage[],
): ReadonlyMap<string, Source> {
  const sources = new Map<string, Source>();
  const add = (member: { path: string; digest: Digest; size: number }, from: Source['open']): void => {
    const known = sources.get(member.path);
    if (known !== undefined && known.size !== member.size) {
      throw new MirrorError('SIZE_CONFLICT', `${member.digest}: ${known.size} and ${member.size} bytes`);
    }
    sources.set(member.path, { ...member, open: from });
  };
  const addBytes = (at: string, bytes: Buffer): void =>
    add({ path: at, digest: digestOf(bytes), size: bytes.byteLength }, async function* () {
      yield bytes;
    });
  addBytes('oci-layout', OCI_LAYOUT);
  addBytes('index.json', layoutIndex(images, closure.evidence));
  for (const { descriptor, repository } of closure.blobs.values()) {
    const { digest, size } = descriptor;
    add({ path: blobPath(digest), digest, size }, () => repository.readBlob(descriptor));
  }
  for (const { attachment, open: from } of attachments) {
    const { digest, size } = attachment.descriptor;
    // A file that was changed after it was measured is an error, and must not run over its neighbour.
    add({ path: blobPath(digest), digest, size }, () => checkedChunks(from(), digest, size));
  }
  for (const { descriptor, bytes } of closure.manifests.values()) addBytes(blobPath(descriptor.digest), bytes);
  return sources;
}

function imagesOf({ closure, rolesOf }: BundleContent): InventoryImage[] {
  return closure.images
    .map((image) => ({
      reference: formatImageReference({ ...image.reference, digest: image.root.digest }),
      descriptor: image.root,
      roles: [...new Set(rolesOf?.(image) ?? [])].sort(),
    }))
    .sort((a, b) => (a.reference < b.reference ? -1 : 1));
}

function inventoryOf(
  { closure, attachments, createdAt, sequence }: BundleContent,
  { images, members }: { images: InventoryImage[]; members: InventoryMember[] },
): Inventory {
  return {
    format: INVENTORY_FORMAT,
    schemaVersion: 1,
    createdAt: `${createdAt.toISOString().slice(0, 19)}Z`,
    sequence,
    members,
    images,
    attachments: attachments
      .map(({ attachment }) => attachment)
      .sort((a, b) => (attachmentKey(a) < attachmentKey(b) ? -1 : 1)),
    // Written and read back: sorted, and without anything that is not part of its form.
    evidence: parseEvidenceIndex(serializeEvidenceIndex(closure.evidence)),
  };
}

function attachmentKey({ kind, name, platform }: { kind: string; name: string; platform?: string }): string {
  return JSON.stringify([kind, name, platform ?? '']);
}

interface Writing {
  readonly handle: FileHandle;
  /** Where the third member's header is. */
  readonly base: number;
  readonly sources: ReadonlyMap<string, Source>;
}

async function writeMembers(
  { handle, base, sources }: Writing,
  { members }: Inventory,
  { concurrency = DEFAULT_CONCURRENCY, onProgress, signal }: CreateOptions,
): Promise<void> {
  const totalBytes = members.reduce((total, { size }) => total + size, 0);
  let doneBytes = 0;
  onProgress?.({ doneBytes, totalBytes });
  const stopping = new AbortController();
  const stop = signal === undefined ? stopping.signal : AbortSignal.any([signal, stopping.signal]);
  const writeOne = async ({ path: name, size, offset }: InventoryMember): Promise<void> => {
    await writeAt(handle, tarHeader(name, size), base + offset - TAR_BLOCK);
    const source = sources.get(name);
    if (source === undefined) throw new MirrorError('BUNDLE_WRITE_FAILED', `nothing gives the content of ${name}`);
    await writeStreamAt(handle, source.open(), {
      position: base + offset,
      onWritten: (bytes) => {
        if (stop.aborted) throw new MirrorError('INTERRUPTED', 'interrupted');
        doneBytes += bytes;
        onProgress?.({ doneBytes, totalBytes });
      },
    });
  };
  // Large ones first, so that the last minutes are not spent on one stream.
  const bySize = members.toSorted((a, b) => b.size - a.size);
  await forEachLimited(bySize, concurrency, async (member) => {
    await writeOne(member).catch((error: unknown) => {
      stopping.abort();
      throw error;
    });
  });
}

async function assertAbsent(file: string): Promise<void> {
  if ((await stat(file).catch(() => undefined)) === undefined) return;
  throw new MirrorError('BUNDLE_EXISTS', `${file} is there already`, { fix: 'name another file, or pass --overwrite' });
}

/** Has `write` fill `<file>.partial`, `bytes` long and zero where nothing is written, and then gives it its name. */
async function writePartial(file: string, bytes: number, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  const partial = `${file}.partial`;
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await assertSpace(path.dirname(file), bytes);
    const handle = await open(partial, 'w', 0o644);
    try {
      await handle.truncate(bytes);
      await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, file);
    await syncDirectory(path.dirname(file));
  } catch (cause) {
    await rm(partial, { force: true });
    if (cause instanceof CodedError) throw cause;
    throw new MirrorError('BUNDLE_WRITE_FAILED', `${file} could not be written`, { cause });
  }
}

async function assertSpace(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= bytes) return;
  throw new MirrorError(
    'BUNDLE_WRITE_FAILED',
    `${folder} has ${bavail * bsize} bytes free; the bundle needs ${bytes}`,
    {
      fix: 'free some space, or write the bundle elsewhere',
    },
  );
}
