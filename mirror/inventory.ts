import { z } from 'zod';

import { describeError } from '../appliance/kernel/coded-error.ts';
import { type Digest, digestFromHex, hexOf } from '../appliance/kernel/digest.ts';
import { parseImageReference } from '../appliance/kernel/image-reference.ts';
import { canonicalJson, type JsonValue, parseJson } from '../appliance/kernel/json.ts';
import { descriptorSchema, digestSchema, MAX_BLOB_BYTES } from './descriptor.ts';
import { evidenceIndexSchema } from './evidence-index.ts';
import { MirrorError } from './mirror-error.ts';

/** What an inventory calls itself: it is the signed document, and must never pass for another kind of signed document. */
export const INVENTORY_FORMAT = 'sealift.dev/bundle';
/** Largest inventory taken. */
export const MAX_INVENTORY_BYTES = 64 * 1024 * 1024;

const name = z
  .string()
  .min(1)
  .max(300)
  .regex(/^[\x20-\x7e]+$/, 'expected printable ASCII');

const memberSchema = z.strictObject({
  path: z.string().regex(/^(?:oci-layout|index\.json|blobs\/sha256\/[0-9a-f]{64})$/, 'not a path of a bundle'),
  digest: digestSchema,
  size: z.int().min(0).max(MAX_BLOB_BYTES),
  /** Bytes from the header of the third member of the archive to this one's first byte of content. */
  offset: z.int().min(0),
});

const imageSchema = z.strictObject({
  /** `host/repository[:tag]@digest`. */
  reference: z.string().max(600).refine(isPinned, 'expected host/repository[:tag]@sha256:…'),
  descriptor: descriptorSchema,
  /** What it is there for, e.g. `chart:rekor`, `sealift`, `application`. */
  roles: z.array(name).max(100),
});

const attachmentSchema = z.strictObject({
  /** `chart`, `capsule`, `policy`, `helm`, `executable`, … */
  kind: name,
  name,
  /** `os/architecture` of a program. */
  platform: name.exactOptional(),
  descriptor: descriptorSchema,
  metadata: z.record(z.string(), z.string()).exactOptional(),
});

const inventorySchema = z.strictObject({
  format: z.literal(INVENTORY_FORMAT),
  schemaVersion: z.literal(1),
  /** When the content was collected; UTC, whole seconds. */
  createdAt: z.iso.datetime({ precision: 0 }),
  /** Orders the bundles of one maker: a site takes none that is older than what it has. */
  sequence: z.int().min(0),
  members: z.array(memberSchema).min(2).max(500_000),
  images: z.array(imageSchema).max(50_000),
  attachments: z.array(attachmentSchema).max(10_000),
  evidence: evidenceIndexSchema,
});

/** What the archive holds, where it lies, and what it is for. The first member of every bundle. */
export type Inventory = z.infer<typeof inventorySchema>;
export type InventoryMember = z.infer<typeof memberSchema>;
export type InventoryImage = z.infer<typeof imageSchema>;
export type Attachment = z.infer<typeof attachmentSchema>;

/** Reads an inventory whose signature was checked. @throws MirrorError `INVENTORY_INVALID`. */
export function parseInventory(bytes: Uint8Array): Inventory {
  let json: unknown;
  try {
    json = parseJson(bytes, 'inventory', { maxBytes: MAX_INVENTORY_BYTES, maxDepth: 16 });
  } catch (cause) {
    throw new MirrorError('INVENTORY_INVALID', describeError(cause), { cause });
  }
  const result = inventorySchema.safeParse(json);
  if (!result.success) throw new MirrorError('INVENTORY_INVALID', `inventory: ${z.prettifyError(result.error)}`);
  return result.data;
}

/** The one byte form of an inventory: canonical JSON (RFC 8785). */
export function serializeInventory(inventory: Inventory): Buffer {
  return Buffer.from(canonicalJson(inventory as unknown as JsonValue));
}

/** Where a blob lies in an OCI image layout. */
export function blobPath(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

/** The digest of the blob at a path of the layout; undefined for its other files. */
export function digestAt(path: string): Digest | undefined {
  const hex = /^blobs\/sha256\/([0-9a-f]{64})$/.exec(path)?.[1];
  return hex === undefined ? undefined : digestFromHex(hex);
}

function isPinned(text: string): boolean {
  try {
    return parseImageReference(text).digest !== undefined;
  } catch {
    return false;
  }
}
