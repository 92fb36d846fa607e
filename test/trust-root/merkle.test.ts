import test from 'ava';
import fc from 'fast-check';

import { verifyConsistency, verifyInclusion } from '../../trust-root/merkle.ts';
import { NaiveTree } from './world/naive-tree.ts';

const SIZE = 130;
const tree = new NaiveTree(SIZE);

test('every inclusion proof of every tree up to 64 leaves verifies', (t) => {
  for (let size = 1; size <= 64; size += 1) {
    for (let index = 0; index < size; index += 1) {
      const claim = { leaf: tree.leaf(index), index: BigInt(index), treeSize: BigInt(size), root: tree.root(size) };
      t.notThrows(() => verifyInclusion(claim, tree.inclusion(index, size)));
    }
  }
});

test('every consistency proof between trees up to 64 leaves verifies', (t) => {
  for (let to = 0; to <= 64; to += 1) {
    for (let from = 0; from <= to; from += 1) {
      const [earlier, later] = [from, to].map((size) => ({ size: BigInt(size), root: tree.root(size) })) as [
        never,
        never,
      ];
      t.notThrows(() => verifyConsistency(earlier, later, tree.consistency(from, to)));
    }
  }
});

const place = fc
  .integer({ min: 2, max: SIZE })
  .chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 0, max: size - 1 })));

test('an inclusion proof with anything changed is refused', (t) => {
  const changes = fc.record({
    place,
    at: fc.nat(),
    bit: fc.integer({ min: 0, max: 255 }),
    what: fc.integer({ min: 0, max: 4 }),
  });
  fc.assert(
    fc.property(changes, ({ place: [size, index], at, bit, what }) => {
      const proof = tree.inclusion(index, size);
      const claim = { leaf: tree.leaf(index), index: BigInt(index), treeSize: BigInt(size), root: tree.root(size) };
      const flip = (bytes: Buffer): Buffer => {
        const copy = Buffer.from(bytes);
        const byte = bit >> 3;
        copy[byte] = (copy[byte] ?? 0) ^ (1 << (bit & 7));
        return copy;
      };
      const changed: [typeof claim, Buffer[]][] = [
        [{ ...claim, leaf: flip(claim.leaf) }, proof],
        [{ ...claim, root: flip(claim.root) }, proof],
        [claim, proof.map((hash, i) => (i === at % proof.length ? flip(hash) : hash))],
        [claim, proof.slice(0, -1)],
        [claim, [...proof, tree.leaf(0)]],
      ];
      const [wrongClaim, wrongProof] = changed[what] ?? [claim, []];
      t.throws(() => verifyInclusion(wrongClaim, wrongProof), { code: 'PROOF_INVALID' });
    }),
  );
});

test('an inclusion proof does not verify at another index', (t) => {
  fc.assert(
    fc.property(place, fc.nat(), ([size, index], other) => {
      const wrong = other % size;
      if (wrong === index) return;
      const claim = { leaf: tree.leaf(index), index: BigInt(wrong), treeSize: BigInt(size), root: tree.root(size) };
      t.throws(() => verifyInclusion(claim, tree.inclusion(index, size)), { code: 'PROOF_INVALID' });
    }),
  );
});

test('a consistency proof to a forked tree is refused', (t) => {
  fc.assert(
    fc.property(place, fc.nat(), ([to, from], seed) => {
      if (from === 0) return;
      const fork = new NaiveTree(seed % from);
      for (let index = seed % from; index < to; index += 1) fork.append(Buffer.from(`forged ${index}`));
      const earlier = { size: BigInt(from), root: tree.root(from) };
      const later = { size: BigInt(to), root: fork.root(to) };
      for (const proof of [tree.consistency(from, to), fork.consistency(from, to)]) {
        t.throws(() => verifyConsistency(earlier, later, proof), { code: 'PROOF_INVALID' });
      }
    }),
  );
});

test('a smaller tree is no successor', (t) => {
  const [big, small] = [9, 5].map((size) => ({ size: BigInt(size), root: tree.root(size) })) as [never, never];
  t.throws(() => verifyConsistency(big, small, []), { code: 'PROOF_INVALID' });
});

test('a proof of a million hashes is refused before it is walked', (t) => {
  const proof = new Array<Buffer>(1_000_000).fill(tree.leaf(0));
  const claim = { leaf: tree.leaf(0), index: 0n, treeSize: 2n ** 62n, root: tree.root(1) };
  t.throws(() => verifyInclusion(claim, proof), { code: 'PROOF_INVALID', message: /more than 64/ });
});
