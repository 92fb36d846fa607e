import type { Digest } from '../appliance/kernel/digest.ts';
import {
  type EvidenceImage,
  type EvidenceIndex,
  isRepositoryName,
  isTaggedName,
  MAX_EVIDENCE_INDEX_BYTES,
  MAX_IMAGE_LIST,
  MAX_IMAGE_REPOSITORIES,
} from '../mirror/evidence-index.ts';
import { evidenceBlobs } from './evidence-intake.ts';

/** Most that is published; less than nodes take, which is told in evidence-intake.ts and mirror/evidence-index.ts. */
export interface IndexLimits {
  /** Bytes of all evidence together. */
  readonly evidenceBytes: number;
  /** Bytes of the index itself. */
  readonly indexBytes: number;
}

/** An index that every node can read, and what is not in it. */
export interface FittingIndex {
  readonly index: EvidenceIndex;
  /** Images and tags that were left out. */
  readonly left: readonly string[];
}

const DEFAULT_LIMITS: IndexLimits = {
  evidenceBytes: 2 * 1024 * 1024 * 1024,
  indexBytes: MAX_EVIDENCE_INDEX_BYTES / 2,
};

/**
 * The index without what no node would take. Whoever can push to the registry decides what is in an index; one name that
 * is too long, one image in too many repositories, or too much evidence must not keep every node from every new state
 * until its trust has expired. What costs the most goes first. An image that is left out is unknown, not unsigned.
 */
export function fittingIndex(index: EvidenceIndex, limits: Partial<IndexLimits> = {}): FittingIndex {
  const { evidenceBytes, indexBytes } = { ...DEFAULT_LIMITS, ...limits };
  const left: string[] = [];
  const images: Record<Digest, EvidenceImage> = {};
  let evidenceLeft = evidenceBytes;
  let indexLeft = indexBytes - tagsBytes(index);
  for (const { digest, image, cost } of byCost(index)) {
    const fits = image !== undefined && cost.evidence <= evidenceLeft && cost.index <= indexLeft;
    if (!fits) {
      left.push(digest);
      continue;
    }
    images[digest] = image;
    evidenceLeft -= cost.evidence;
    indexLeft -= cost.index;
  }
  const tags: Record<string, Digest> = {};
  for (const [name, digest] of Object.entries(index.tags)) {
    if (isTaggedName(name) && Object.hasOwn(images, digest)) tags[name] = digest;
    else left.push(name);
  }
  return { index: { schemaVersion: 1, images, tags }, left };
}

interface Costed {
  readonly digest: Digest;
  /** Undefined when it can't be listed at all. */
  readonly image: EvidenceImage | undefined;
  readonly cost: { readonly evidence: number; readonly index: number };
}

function byCost({ images }: EvidenceIndex): Costed[] {
  const costed = Object.entries(images).map(([key, known]) => {
    const digest = key as Digest;
    const image = listable(known);
    return { digest, image, cost: { evidence: bytesOf(known), index: Buffer.byteLength(JSON.stringify(known)) + 100 } };
  });
  return costed.sort((a, b) => a.cost.evidence - b.cost.evidence || a.cost.index - b.cost.index);
}

function listable(image: EvidenceImage): EvidenceImage | undefined {
  const repositories = image.repositories.filter(isRepositoryName).toSorted().slice(0, MAX_IMAGE_REPOSITORIES);
  const isTooLong = image.children.length > MAX_IMAGE_LIST || image.evidence.length > MAX_IMAGE_LIST;
  return repositories.length === 0 || isTooLong ? undefined : { ...image, repositories };
}

function bytesOf(image: EvidenceImage): number {
  const alone: EvidenceIndex = { schemaVersion: 1, images: { [`sha256:${'0'.repeat(64)}`]: image }, tags: {} };
  const blobs = evidenceBlobs(alone, { totalBytes: Number.POSITIVE_INFINITY });
  return blobs.reduce((total, { descriptor }) => total + descriptor.size, 0);
}

function tagsBytes({ tags }: EvidenceIndex): number {
  return Buffer.byteLength(JSON.stringify(tags)) + 100;
}
