import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

import type { Digest } from '../../../appliance/kernel/digest.ts';
import { headBytes, INVENTORY_PATH, SIGNATURE_PATH } from '../../../mirror/archive-layout.ts';
import { type Inventory, parseInventory, serializeInventory } from '../../../mirror/inventory.ts';
import { signInventory } from '../../../mirror/inventory-signature.ts';
import { openBundle } from '../../../mirror/open-bundle.ts';
import { memberBytes, TAR_BLOCK, tarHeader } from '../../../mirror/tar.ts';
import { verifyBundle } from '../../../mirror/verify-bundle.ts';
import type { BundleWorld } from './world.ts';

/** The parts of an archive in memory, to be changed and put together again. */
export interface Parts {
  readonly whole: Buffer;
  readonly inventory: Inventory;
  readonly inventoryBytes: Buffer;
  readonly signature: Buffer;
  /** Where the third member's header is. */
  readonly base: number;
}

export async function partsOf({ file }: BundleWorld): Promise<Parts> {
  const whole = await readFile(file);
  const sizeAt = (position: number): number =>
    Number.parseInt(whole.toString('latin1', position + 124, position + 135), 8);
  const inventoryBytes = whole.subarray(TAR_BLOCK, TAR_BLOCK + sizeAt(0));
  const signatureAt = memberBytes(inventoryBytes.byteLength);
  const signature = whole.subarray(signatureAt + TAR_BLOCK, signatureAt + TAR_BLOCK + sizeAt(signatureAt));
  return {
    whole,
    inventory: parseInventory(inventoryBytes),
    inventoryBytes,
    signature,
    base: headBytes({ inventory: inventoryBytes.byteLength, signature: signature.byteLength }),
  };
}

/** A member with its header and padding. */
export function tarMember(name: string, content: Buffer): Buffer {
  const padded = Buffer.alloc(memberBytes(content.byteLength));
  tarHeader(name, content.byteLength).copy(padded);
  content.copy(padded, TAR_BLOCK);
  return padded;
}

/** The archive with another inventory, signed by the bundle's own key: what a maker with a bug, or without honour, writes. */
export async function withInventory(world: BundleWorld, change: (inventory: Inventory) => unknown): Promise<Buffer> {
  const { whole, inventory, base } = await partsOf(world);
  const changed = structuredClone(inventory);
  const replaced = change(changed);
  const bytes = Buffer.isBuffer(replaced) ? replaced : serializeInventory(changed);
  const signature = await signInventory(bytes, world.signer);
  return Buffer.concat([tarMember(INVENTORY_PATH, bytes), tarMember(SIGNATURE_PATH, signature), whole.subarray(base)]);
}

/** Opens and verifies `bytes` as a bundle; the code of the error, or undefined when it is taken. */
export async function verdictOn(world: BundleWorld, bytes: Buffer): Promise<string | undefined> {
  const file = path.join(world.folder, 'tampered.tar');
  await writeFile(file, bytes);
  const trustedKeys: Digest[] = [world.signer.fingerprint];
  try {
    const reader = await openBundle(file, { trustedKeys });
    try {
      await verifyBundle(reader);
    } finally {
      await reader.close();
    }
    return undefined;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return String(error.code);
    throw error;
  }
}
