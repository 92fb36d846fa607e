import type { Digest } from '../appliance/kernel/digest.ts';
import type { EvidenceImage, EvidenceIndex, EvidenceItem } from '../mirror/evidence-index.ts';
import type { RepositoryClient } from '../mirror/registry-port.ts';
import { evidenceBlobs } from './evidence-intake.ts';

/**
 * The index without evidence whose content is not in the registry. Nodes take a state only with all its evidence, so one
 * lost blob would keep them all from every new state; without the item the image has one signature less, which can only
 * refuse it.
 * @param options.manifestsToo for an index that was not just read from the registry.
 */
export async function withoutMissingBlobs(
  client: RepositoryClient,
  index: EvidenceIndex,
  options: { readonly manifestsToo?: boolean } = {},
): Promise<EvidenceIndex> {
  const missing = new Set<Digest>();
  for (const { descriptor, isManifest } of evidenceBlobs(index)) {
    if (isManifest && options.manifestsToo !== true) continue;
    const { digest, size } = descriptor;
    const isThere = isManifest ? await client.hasManifest(digest) : (await client.blobSize(digest)) === size;
    if (!isThere) missing.add(digest);
  }
  if (missing.size === 0) return index;
  const isWhole = ({ manifest, blobs }: EvidenceItem): boolean =>
    ![manifest, ...blobs].some(({ digest }) => missing.has(digest));
  const images: Record<Digest, EvidenceImage> = {};
  for (const [digest, image] of Object.entries(index.images)) {
    images[digest as Digest] = { ...image, evidence: image.evidence.filter(isWhole) };
  }
  return { ...index, images };
}
