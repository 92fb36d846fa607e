import { blobPath, type Inventory, type InventoryMember } from './inventory.ts';
import { MirrorError } from './mirror-error.ts';
import { memberBytes, TAR_BLOCK, TAR_END_BYTES } from './tar.ts';

/** Names of the first two members, in front of the OCI layout. */
export const INVENTORY_PATH = 'sealift.json';
export const SIGNATURE_PATH = 'sealift.json.sig';

/** A member before its place is known. */
export type UnplacedMember = Omit<InventoryMember, 'offset'>;

/** Gives every member its place: the order is `oci-layout`, `index.json`, blobs by digest, with nothing in between. */
export function placeMembers(members: readonly UnplacedMember[]): InventoryMember[] {
  let position = 0;
  return members.toSorted(inArchiveOrder).map(({ path, digest, size }) => {
    const offset = position + TAR_BLOCK;
    position += memberBytes(size);
    return { path, digest, size, offset };
  });
}

/** Bytes from the header of the third member to the end of the archive. */
export function bodyBytes(members: readonly Pick<InventoryMember, 'size'>[]): number {
  return members.reduce((total, { size }) => total + memberBytes(size), 0) + TAR_END_BYTES;
}

/** Bytes that the inventory and its signature take: the offset of the third member's header. */
export function headBytes(sizes: { inventory: number; signature: number }): number {
  return memberBytes(sizes.inventory) + memberBytes(sizes.signature);
}

/**
 * Checks that an inventory describes an archive that could have been written: each path once, in order, each at the one
 * place that order and sizes leave it.
 * @throws MirrorError `BUNDLE_MALFORMED`.
 */
export function assertPlaced({ members }: Inventory): void {
  const [layout, index, ...blobs] = members;
  if (layout?.path !== 'oci-layout' || index?.path !== 'index.json') {
    throw malformed('the inventory does not begin with oci-layout and index.json');
  }
  assertInOrder(blobs);
  let position = 0;
  for (const { path, size, offset } of members) {
    if (offset !== position + TAR_BLOCK) throw malformed(`${path} is not where the members before it end`);
    position += memberBytes(size);
  }
  if (!Number.isSafeInteger(position)) throw malformed('larger than any file');
}

function assertInOrder(blobs: readonly InventoryMember[]): void {
  let previous = '';
  for (const { path, digest } of blobs) {
    if (path <= previous) throw malformed(`${path} is out of order or there twice`);
    if (path !== blobPath(digest)) throw malformed(`${path} is said to have the digest ${digest}`);
    previous = path;
  }
}

function inArchiveOrder(a: UnplacedMember, b: UnplacedMember): number {
  const rank = ({ path }: UnplacedMember): number => ['oci-layout', 'index.json'].indexOf(path);
  const [left, right] = [rank(a), rank(b)];
  if (left >= 0 || right >= 0) return (left === -1 ? 2 : left) - (right === -1 ? 2 : right);
  return a.path < b.path ? -1 : 1;
}

function malformed(why: string): MirrorError {
  return new MirrorError('BUNDLE_MALFORMED', `the bundle's inventory can't be true: ${why}`);
}
