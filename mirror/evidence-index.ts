import { z } from 'zod';

import { describeError } from '../appliance/kernel/coded-error.ts';
import type { Digest } from '../appliance/kernel/digest.ts';
import { canonicalJson, type JsonValue, parseJson } from '../appliance/kernel/json.ts';
import { bareDescriptor, descriptorSchema, digestSchema, mediaTypeSchema } from './descriptor.ts';
import { MirrorError } from './mirror-error.ts';

/** Largest evidence index taken: 64 MiB, some hundred thousand signatures. */
export const MAX_EVIDENCE_INDEX_BYTES = 64 * 1024 * 1024;

/** Most repositories that an image is listed in, and most children and pieces of evidence that it is listed with. */
export const MAX_IMAGE_REPOSITORIES = 1024;
export const MAX_IMAGE_LIST = 4096;

const NAME = '[a-zA-Z0-9.\\-_:\\[\\]]+(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+';
const repositoryNameSchema = z
  .string()
  .max(256)
  .regex(new RegExp(`^${NAME}$`), 'expected host/repository');
const taggedNameSchema = z
  .string()
  .max(512)
  .regex(new RegExp(`^${NAME}:[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`), 'expected host/repository:tag');

const evidenceItemSchema = z.strictObject({
  /** How it was found: as a referrer (API or fallback tag), or under a tag `sha256-….sig|att|sbom`. */
  source: z.enum(['referrer', 'tag']),
  suffix: z.enum(['sig', 'att', 'sbom']).exactOptional(),
  artifactType: z.string().exactOptional(),
  manifest: descriptorSchema,
  /** The manifest's config and layers. */
  blobs: z.array(descriptorSchema).max(4096),
});

const evidenceImageSchema = z.strictObject({
  mediaType: mediaTypeSchema,
  repositories: z.array(repositoryNameSchema).max(MAX_IMAGE_REPOSITORIES),
  /** Child manifests of an index that are carried. */
  children: z.array(digestSchema).max(MAX_IMAGE_LIST),
  evidence: z.array(evidenceItemSchema).max(MAX_IMAGE_LIST),
});

/** The form of an evidence index. */
export const evidenceIndexSchema = z.strictObject({
  schemaVersion: z.literal(1),
  images: z.record(digestSchema, evidenceImageSchema),
  tags: z.record(taggedNameSchema, digestSchema),
});

/** One signature, attestation, SBOM or other artifact attached to a digest. */
export type EvidenceItem = z.infer<typeof evidenceItemSchema>;

/** What is known of one digest. Complete: without `evidence` it has none. */
export type EvidenceImage = z.infer<typeof evidenceImageSchema>;

/**
 * Everything that a site knows about its images: each digest with its evidence, and what each tag (`host/repository:tag`)
 * stands for. A digest listed here has exactly the evidence listed; a digest not listed is unknown. Evidence that has
 * evidence of its own (a signed SBOM) is listed under its own digest too.
 */
export type EvidenceIndex = z.infer<typeof evidenceIndexSchema>;

/** True for `host/repository` as an index lists it. */
export function isRepositoryName(text: string): boolean {
  return repositoryNameSchema.safeParse(text).success;
}

/** True for `host/repository:tag` as an index lists it. */
export function isTaggedName(text: string): boolean {
  return taggedNameSchema.safeParse(text).success;
}

/** An index that knows nothing. */
export const EMPTY_EVIDENCE_INDEX: EvidenceIndex = { schemaVersion: 1, images: {}, tags: {} };

/** Reads an evidence index. @throws MirrorError `EVIDENCE_INDEX_INVALID`. */
export function parseEvidenceIndex(bytes: Uint8Array): EvidenceIndex {
  try {
    const json = parseJson(bytes, 'evidence index', { maxBytes: MAX_EVIDENCE_INDEX_BYTES, maxDepth: 12 });
    return validEvidenceIndex(json);
  } catch (cause) {
    if (cause instanceof MirrorError) throw cause;
    throw new MirrorError('EVIDENCE_INDEX_INVALID', describeError(cause), { cause });
  }
}

/** Narrows parsed JSON to an evidence index. @throws MirrorError `EVIDENCE_INDEX_INVALID`. */
export function validEvidenceIndex(json: unknown): EvidenceIndex {
  const result = evidenceIndexSchema.safeParse(json);
  if (result.success) return result.data;
  throw new MirrorError('EVIDENCE_INDEX_INVALID', `evidence index: ${z.prettifyError(result.error)}`);
}

/** The one byte form of an index: canonical JSON, lists sorted, each descriptor with type, digest and size only. */
export function serializeEvidenceIndex(index: EvidenceIndex): Buffer {
  const images = Object.fromEntries(Object.entries(index.images).map(([digest, image]) => [digest, normal(image)]));
  const json: JsonValue = { schemaVersion: 1, images, tags: index.tags };
  return Buffer.from(canonicalJson(json));
}

/** Both indexes in one: for a digest in both, the union of what is known; for a tag in both, `newer`'s digest. */
export function mergeEvidenceIndexes(older: EvidenceIndex, newer: EvidenceIndex): EvidenceIndex {
  const images: Record<Digest, EvidenceImage> = { ...older.images };
  for (const [key, image] of Object.entries(newer.images)) {
    const digest = key as Digest;
    const known = images[digest];
    images[digest] = known === undefined ? image : mergeEvidenceImages(known, image);
  }
  return { schemaVersion: 1, images, tags: { ...older.tags, ...newer.tags } };
}

/** What two looks at one digest found, together. */
export function mergeEvidenceImages(older: EvidenceImage, newer: EvidenceImage): EvidenceImage {
  const evidence = new Map([...older.evidence, ...newer.evidence].map((item) => [evidenceKey(item), item]));
  return {
    mediaType: newer.mediaType,
    repositories: [...new Set([...older.repositories, ...newer.repositories])],
    children: [...new Set([...older.children, ...newer.children])],
    evidence: [...evidence.values()],
  };
}

/** Tells evidence items of one image apart: the same manifest found in two ways is two items. */
export function evidenceKey({ source, suffix, manifest }: EvidenceItem): string {
  return `${source}:${suffix ?? ''}:${manifest.digest}`;
}

function normal(image: EvidenceImage) {
  return {
    mediaType: image.mediaType,
    repositories: image.repositories.toSorted(),
    children: image.children.toSorted(),
    evidence: image.evidence
      .toSorted((a, b) => (evidenceKey(a) < evidenceKey(b) ? -1 : 1))
      .map((item) => ({
        ...item,
        manifest: bareDescriptor(item.manifest),
        blobs: item.blobs.map(bareDescriptor),
      })),
  };
}
