import type { Digest } from '../appliance/kernel/digest.ts';
import type { EvidenceImage, EvidenceIndex, EvidenceItem } from '../mirror/evidence-index.ts';
import type { RepositoryClient } from '../mirror/registry-port.ts';
import { evidenceBlobs } from './evidence-intake.ts';

/**
 * The index without evidence whose content is not in the registry. Nodes take a state only with all its evidence, so one
 * lost blob would keep them all from every new state; without the item the image has one signature less, which can only
 * refuse it.
 */
export async function withoutMissingBlobs(client: RepositoryClient, index: EvidenceIndex): Promise<EvidenceIndex> {
  const missing = new Set<Digest>();
  for (const { descriptor, isManifest } of evidenceBlobs(index)) {
    if (isManifest) continue;
    if ((await client.blobSize(descriptor.digest)) !== descriptor.size) missing.add(descriptor.digest);
  }
  if (missing.size === 0) return index;
  const isWhole = ({ blobs }: EvidenceItem): boolean => !blobs.some(({ digest }) => missing.has(digest));
  const images: Record<Digest, EvidenceImage> = {};
  for (const [digest, image] of Object.entries(index.images)) {
    images[digest as Digest] = { ...image, evidence: image.evidence.filter(isWhole) };
  }
  return { ...index, images };
}
