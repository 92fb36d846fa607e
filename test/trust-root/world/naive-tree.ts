import { EMPTY_ROOT, leafHash, nodeHash } from '../../../trust-root/merkle.ts';

/** The Merkle tree of RFC 6962 §2.1 as its definitions say it, with no cleverness: what proofs are tested against. */
export class NaiveTree {
  readonly #leaves: Buffer[] = [];

  constructor(size: number) {
    for (let index = 0; index < size; index += 1) this.append(Buffer.from(`entry ${index}`));
  }

  append(entry: Buffer): void {
    this.#leaves.push(leafHash(entry));
  }

  leaf(index: number): Buffer {
    return this.#leaves[index] ?? EMPTY_ROOT;
  }

  root(size: number): Buffer {
    return hashOf(this.#leaves.slice(0, size));
  }

  /** PATH(m, D[n]), RFC 6962 §2.1.1. */
  inclusion(index: number, size: number): Buffer[] {
    return path(index, this.#leaves.slice(0, size));
  }

  /** PROOF(m, D[n]), RFC 6962 §2.1.2. */
  consistency(from: number, to: number): Buffer[] {
    return from === 0 || from === to ? [] : subproof(from, this.#leaves.slice(0, to), true);
  }
}

function split(count: number): number {
  let k = 1;
  while (k * 2 < count) k *= 2;
  return k;
}

function hashOf(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves;
  if (only === undefined) return EMPTY_ROOT;
  if (leaves.length === 1) return only;
  const k = split(leaves.length);
  return nodeHash(hashOf(leaves.slice(0, k)), hashOf(leaves.slice(k)));
}

function path(m: number, leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length <= 1) return [];
  const k = split(leaves.length);
  if (m < k) return [...path(m, leaves.slice(0, k)), hashOf(leaves.slice(k))];
  return [...path(m - k, leaves.slice(k)), hashOf(leaves.slice(0, k))];
}

function subproof(m: number, leaves: readonly Buffer[], whole: boolean): Buffer[] {
  if (m === leaves.length) return whole ? [] : [hashOf(leaves)];
  const k = split(leaves.length);
  if (m <= k) return [...subproof(m, leaves.slice(0, k), whole), hashOf(leaves.slice(k))];
  return [...subproof(m - k, leaves.slice(k), false), hashOf(leaves.slice(0, k))];
}
