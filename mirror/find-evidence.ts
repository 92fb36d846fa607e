import type { Digest } from '../appliance/kernel/digest.ts';
import type { Descriptor } from './descriptor.ts';
import type { EvidenceItem } from './evidence-index.ts';
import { MirrorError } from './mirror-error.ts';
import { artifactTypeOf, contentOf, isManifestType, type Manifest, parseManifest } from './oci-types.ts';
import type { FetchedManifest, RepositoryClient } from './registry-port.ts';

/** One piece of evidence as it lies in a registry: untrusted. */
export interface FoundEvidence {
  readonly item: EvidenceItem;
  readonly fetched: FetchedManifest;
  readonly manifest: Manifest;
}

const SUFFIXES = ['sig', 'att', 'sbom'] as const;

/** The tag of the tag scheme: `sha256-<hex>.sig` and the like (cosign SIGNATURE_SPEC). */
export function evidenceTag(digest: Digest, suffix: NonNullable<EvidenceItem['suffix']>): string {
  return `${fallbackTag(digest)}.${suffix}`;
}

/** The tag of the index that lists referrers where a registry lacks the API (OCI distribution-spec "Referrers Tag Schema"). */
export function fallbackTag(digest: Digest): string {
  return digest.replace(':', '-');
}

/**
 * Everything attached to `digest` in a repository: the union of the tag scheme, the referrers API and the fallback tag.
 * Registries differ in which of them they fill, so all are asked, always. What is listed but can't be had is an error:
 * evidence is never silently fewer.
 * @throws MirrorError.
 */
export async function findEvidence(repository: RepositoryClient, digest: Digest): Promise<readonly FoundEvidence[]> {
  const [tagged, listed, fallback] = await Promise.all([
    Promise.all(SUFFIXES.map(async (suffix) => await taggedEvidence(repository, digest, suffix))),
    repository.referrers(digest),
    fallbackReferrers(repository, digest),
  ]);
  const referrers = new Map([...(listed ?? []), ...fallback].map((descriptor) => [descriptor.digest, descriptor]));
  const referring = await Promise.all(
    [...referrers.values()].map(async (descriptor) => await referrerEvidence(repository, descriptor)),
  );
  return [...tagged.filter((found) => found !== undefined), ...referring];
}

/**
 * The manifest that a descriptor names. Its size must be the one announced.
 * @throws MirrorError `REGISTRY_NOT_FOUND` when it is not there, `REGISTRY_PROTOCOL` for another size.
 */
export async function describedManifest(
  repository: RepositoryClient,
  descriptor: Descriptor,
): Promise<FetchedManifest> {
  const { digest, size, mediaType } = descriptor;
  const what = `${repository.name}@${digest}`;
  if (!isManifestType(mediaType)) throw new MirrorError('MANIFEST_INVALID', `${what}: ${mediaType} is no manifest`);
  const fetched = await repository.manifest(digest);
  if (fetched === undefined) {
    throw new MirrorError('REGISTRY_NOT_FOUND', `${what} is listed, but the registry does not have it`);
  }
  if (fetched.bytes.byteLength !== size) {
    throw new MirrorError('REGISTRY_PROTOCOL', `${what}: ${fetched.bytes.byteLength} bytes, announced with ${size}`);
  }
  return { bytes: fetched.bytes, descriptor: { mediaType, digest, size } };
}

async function taggedEvidence(
  repository: RepositoryClient,
  digest: Digest,
  suffix: NonNullable<EvidenceItem['suffix']>,
): Promise<FoundEvidence | undefined> {
  const fetched = await repository.manifest(evidenceTag(digest, suffix));
  return fetched === undefined ? undefined : evidence(fetched, { source: 'tag', suffix });
}

async function referrerEvidence(repository: RepositoryClient, descriptor: Descriptor): Promise<FoundEvidence> {
  return evidence(await describedManifest(repository, descriptor), { source: 'referrer' });
}

async function fallbackReferrers(repository: RepositoryClient, digest: Digest): Promise<readonly Descriptor[]> {
  const tag = fallbackTag(digest);
  const fetched = await repository.manifest(tag);
  if (fetched === undefined) return [];
  const index = parseManifest(fetched.bytes, fetched.descriptor.mediaType);
  if (index.kind === 'index') return index.manifests;
  throw new MirrorError('REGISTRY_PROTOCOL', `${repository.name}:${tag} should list referrers, but is no index`);
}

function evidence(fetched: FetchedManifest, how: Pick<EvidenceItem, 'source' | 'suffix'>): FoundEvidence {
  const manifest = parseManifest(fetched.bytes, fetched.descriptor.mediaType);
  const artifactType = artifactTypeOf(manifest);
  return {
    fetched,
    manifest,
    item: {
      ...how,
      ...(artifactType === undefined ? {} : { artifactType }),
      manifest: fetched.descriptor,
      blobs: contentOf(manifest).map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
    },
  };
}
