import { createHash } from 'node:crypto';

import { TrustRootError } from './trust-root-error.ts';

/** Most hashes in a proof that is looked at: a tree of 2^63 leaves needs 63, and one more. */
export const MAX_PROOF_HASHES = 64;

/** The hash of a leaf: sha256 of 0x00 and the entry (RFC 6962 §2.1). */
export function leafHash(entry: Uint8Array): Buffer {
  return createHash('sha256').update(Buffer.of(0)).update(entry).digest();
}

/** The hash of an inner node: sha256 of 0x01, left and right (RFC 6962 §2.1). */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  return createHash('sha256').update(Buffer.of(1)).update(left).update(right).digest();
}

/** The root of the empty tree (RFC 6962 §2.1). */
export const EMPTY_ROOT: Buffer = createHash('sha256').digest();

/** A leaf's place in a tree. Sizes are bigint: logs may be larger than a double counts exactly. */
export interface LeafPlace {
  readonly index: bigint;
  readonly treeSize: bigint;
}

/**
 * The root that an inclusion proof leads to (RFC 9162 §2.1.3.2, same tree as RFC 6962).
 * @throws TrustRootError `PROOF_INVALID` for a place outside of the tree or a proof of another length.
 */
export function rootFromInclusion(
  leaf: Uint8Array,
  { index, treeSize }: LeafPlace,
  proof: readonly Uint8Array[],
): Buffer {
  if (index < 0n || index >= treeSize) throw invalid(`leaf ${index} is not in a tree of ${treeSize}`);
  assertHashes([leaf, ...proof]);
  const climb = new Climb(index, treeSize - 1n);
  let hash: Buffer = Buffer.from(leaf);
  for (const sibling of proof) hash = climb.step() === 'left' ? nodeHash(sibling, hash) : nodeHash(hash, sibling);
  climb.assertAtTop();
  return hash;
}

/** The way from a node up to the root: on each level, which side its sibling is on. */
class Climb {
  #position: bigint;
  #last: bigint;

  constructor(position: bigint, last: bigint) {
    this.#position = position;
    this.#last = last;
  }

  /** Starts at the subtree that ends at the position: up while the node is a right child. */
  skipRightChildren(): void {
    while ((this.#position & 1n) === 1n) this.#up();
  }

  /** One proof hash up; the side that it goes on. @throws TrustRootError `PROOF_INVALID` at the top. */
  step(): 'left' | 'right' {
    if (this.#last === 0n) throw invalid('the proof is longer than the tree is high');
    const isLeft = (this.#position & 1n) === 1n || this.#position === this.#last;
    // A right-most node has no sibling on the levels where it is carried up alone.
    while (isLeft && (this.#position & 1n) === 0n && this.#position !== 0n) this.#up();
    this.#up();
    return isLeft ? 'left' : 'right';
  }

  assertAtTop(): void {
    if (this.#last !== 0n) throw invalid('the proof is shorter than the tree is high');
  }

  #up(): void {
    this.#position >>= 1n;
    this.#last >>= 1n;
  }
}

/** What an inclusion proof is to show. */
export interface InclusionClaim extends LeafPlace {
  readonly leaf: Uint8Array;
  readonly root: Uint8Array;
}

/** Checks that a leaf hash is at its place in the tree with this root. @throws TrustRootError `PROOF_INVALID`. */
export function verifyInclusion({ leaf, root, ...place }: InclusionClaim, proof: readonly Uint8Array[]): void {
  if (!rootFromInclusion(leaf, place, proof).equals(root)) {
    throw invalid(`the inclusion proof of leaf ${place.index} does not lead to the root of size ${place.treeSize}`);
  }
}

/** A tree's size and root. */
export interface TreeHead {
  readonly size: bigint;
  readonly root: Uint8Array;
}

/**
 * Checks that the tree of `later` begins with the tree of `earlier` (RFC 9162 §2.1.4.2).
 * @throws TrustRootError `PROOF_INVALID`.
 */
export function verifyConsistency(earlier: TreeHead, later: TreeHead, proof: readonly Uint8Array[]): void {
  if (earlier.size < 0n || earlier.size > later.size)
    throw invalid(`size ${later.size} is behind size ${earlier.size}`);
  assertHashes([earlier.root, later.root, ...proof]);
  if (earlier.size === later.size || earlier.size === 0n) {
    assertTrivial(earlier, later, proof);
    return;
  }
  const { first, second } = walkConsistency(earlier, later, proof);
  if (!first.equals(earlier.root)) throw invalid(`the proof does not lead to the root of size ${earlier.size}`);
  if (!second.equals(later.root)) throw invalid(`the proof does not lead to the root of size ${later.size}`);
}

function assertTrivial(earlier: TreeHead, later: TreeHead, proof: readonly Uint8Array[]): void {
  if (proof.length > 0) throw invalid('a proof where none is needed');
  if (earlier.size === 0n && !EMPTY_ROOT.equals(earlier.root)) throw invalid('the empty tree has another root');
  if (earlier.size === later.size && !Buffer.from(earlier.root).equals(later.root)) {
    throw invalid(`two roots of size ${earlier.size}`);
  }
}

function walkConsistency(
  earlier: TreeHead,
  later: TreeHead,
  proof: readonly Uint8Array[],
): { first: Buffer; second: Buffer } {
  const isPowerOfTwo = (earlier.size & (earlier.size - 1n)) === 0n;
  const [start, ...rest] = isPowerOfTwo ? [earlier.root, ...proof] : proof;
  if (start === undefined) throw invalid('the consistency proof is empty');
  const climb = new Climb(earlier.size - 1n, later.size - 1n);
  climb.skipRightChildren();
  let first: Buffer = Buffer.from(start);
  let second: Buffer = Buffer.from(start);
  for (const hash of rest) {
    const side = climb.step();
    if (side === 'left') first = nodeHash(hash, first);
    second = side === 'left' ? nodeHash(hash, second) : nodeHash(second, hash);
  }
  climb.assertAtTop();
  return { first, second };
}

function assertHashes(hashes: readonly Uint8Array[]): void {
  if (hashes.length > MAX_PROOF_HASHES + 2) throw invalid(`more than ${MAX_PROOF_HASHES} hashes`);
  if (hashes.some((hash) => hash.byteLength !== 32)) throw invalid('a hash that has not 32 bytes');
}

function invalid(reason: string): TrustRootError {
  return new TrustRootError('PROOF_INVALID', reason);
}
