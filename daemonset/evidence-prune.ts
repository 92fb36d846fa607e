import { readdir } from 'node:fs/promises';
import path from 'node:path';

import type { Clock } from '../appliance/kernel/clock.ts';
import type { Digest } from '../appliance/kernel/digest.ts';
import type { BlobStore } from '../mirror/blob-store.ts';
import { EMPTY_EVIDENCE_INDEX, type EvidenceIndex, parseEvidenceIndex } from '../mirror/evidence-index.ts';
import { type NodePaths, type VerifiedGeneration, verifyGeneration } from '../trust-root/generation.ts';
import { EVIDENCE_INDEX_TARGET } from './evidence-first.ts';
import { evidenceBlobs } from './evidence-intake.ts';

/** A kept generation still counts after its expiry: its evidence may be needed when the clock is put right. */
const ANY_AGE_MS = 100 * 365 * 86_400_000;

/** The evidence index of a generation; an empty one when it has none. @throws TrustRootError, MirrorError. */
export async function evidenceIndexOf(generation: VerifiedGeneration): Promise<EvidenceIndex> {
  if (!generation.targetNames().includes(EVIDENCE_INDEX_TARGET)) return EMPTY_EVIDENCE_INDEX;
  return parseEvidenceIndex(await generation.target(EVIDENCE_INDEX_TARGET));
}

/**
 * Removes evidence that no kept generation names. A generation that does not verify keeps nothing.
 * @returns how many blobs were removed.
 */
export async function pruneEvidence(
  { paths, store, clock }: { readonly paths: NodePaths; readonly store: BlobStore; readonly clock: Clock },
  pinnedRoot: Buffer,
): Promise<number> {
  const kept = new Set<Digest>();
  for (const name of await readdir(paths.generations).catch(() => [])) {
    try {
      const folder = path.join(paths.generations, name);
      const generation = await verifyGeneration(folder, { pinnedRoot, clock, graceMs: ANY_AGE_MS });
      for (const { descriptor } of evidenceBlobs(await evidenceIndexOf(generation))) kept.add(descriptor.digest);
    } catch {
      // Torn, foreign or altered: what it says does not count.
    }
  }
  const unnamed = (await store.list()).filter((digest) => !kept.has(digest));
  for (const digest of unnamed) await store.delete(digest);
  return unnamed.length;
}
