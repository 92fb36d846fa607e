import type { Descriptor } from '../../mirror/descriptor.ts';
import { isIndexType, MEDIA, parseManifest } from '../../mirror/oci-types.ts';
import type { FetchedManifest, RepositoryClient } from '../../mirror/registry-port.ts';
import { type Digest, hexOf } from '../kernel/digest.ts';
import {
  EVIDENCE_LIMITS,
  type EvidenceDocument,
  type EvidenceLayer,
  type EvidenceLimits,
  type EvidenceReader,
  type PinnedImage,
} from '../verification/evidence.ts';
import type { SiteRegistry } from './site-registry.ts';
import { WebhookError } from './webhook-error.ts';

type Suffix = NonNullable<EvidenceDocument['suffix']>;
interface Found {
  readonly manifest: FetchedManifest;
  readonly source: EvidenceDocument['source'];
  readonly suffix?: Suffix;
  readonly artifactType?: string;
}

const SUFFIXES: readonly Suffix[] = ['sig', 'att', 'sbom'];

/**
 * Evidence as the site's registry holds it now: referrers, by the API or the fallback tag (OCI distribution-spec
 * "Unavailable Referrers API"), and cosign's tags. For images built on the site that no generation holds yet. Bounded in
 * number and bytes before anything is read; time is the registry's lookup limit.
 */
export function registryEvidence(registry: SiteRegistry, limits: EvidenceLimits = EVIDENCE_LIMITS): EvidenceReader {
  return {
    evidenceFor: async (image) => {
      const repository = registry.repository(nameParts(image));
      if (!(await repository.hasManifest(image.digest))) throw unknownImage(image);
      const found = [...(await referrersOf(repository, image, limits)), ...(await taggedFor(repository, image.digest))];
      if (found.length > limits.maxDocuments) throw tooMuch(image, `more than ${limits.maxDocuments} documents`);
      const budget = { left: limits.maxTotalBytes };
      const documents: EvidenceDocument[] = [];
      // One after the other: the budget is for all of them together.
      for (const one of found) documents.push(await documentOf(one, { repository, image, limits, budget }));
      return documents;
    },
  };
}

function nameParts({ name }: PinnedImage): { host: string; repository: string } {
  const slash = name.indexOf('/');
  return { host: name.slice(0, slash), repository: name.slice(slash + 1) };
}

async function referrersOf(repository: RepositoryClient, image: PinnedImage, limits: EvidenceLimits): Promise<Found[]> {
  const listed = (await repository.referrers(image.digest)) ?? (await fallbackList(repository, image.digest));
  if (listed.length > limits.maxDocuments) throw tooMuch(image, `${listed.length} referrers`);
  const found: Found[] = [];
  for (const descriptor of listed) {
    const manifest = await repository.manifest(descriptor.digest);
    const { artifactType } = descriptor;
    if (manifest !== undefined) {
      found.push({ manifest, source: 'referrer', ...(artifactType === undefined ? {} : { artifactType }) });
    }
  }
  return found;
}

async function fallbackList(repository: RepositoryClient, digest: Digest): Promise<readonly Descriptor[]> {
  const tagged = await repository.manifest(`sha256-${hexOf(digest)}`);
  if (tagged === undefined || !isIndexType(tagged.descriptor.mediaType)) return [];
  const index = parseManifest(tagged.bytes, tagged.descriptor.mediaType);
  return index.kind === 'index' ? index.manifests : [];
}

async function taggedFor(repository: RepositoryClient, digest: Digest): Promise<Found[]> {
  const tagged = await Promise.all(
    SUFFIXES.map(async (suffix) => {
      const manifest = await repository.manifest(`sha256-${hexOf(digest)}.${suffix}`);
      return manifest === undefined ? undefined : { manifest, source: 'tag' as const, suffix };
    }),
  );
  return tagged.filter((one) => one !== undefined);
}

interface Reading {
  readonly repository: RepositoryClient;
  readonly image: PinnedImage;
  readonly limits: EvidenceLimits;
  readonly budget: { left: number };
}

async function documentOf({ manifest, ...found }: Found, reading: Reading): Promise<EvidenceDocument> {
  const { mediaType, digest } = manifest.descriptor;
  const parsed = parseManifest(manifest.bytes, mediaType);
  const layers = parsed.kind === 'manifest' ? parsed.layers : [];
  if (layers.length > reading.limits.maxLayersPerDocument) throw tooMuch(reading.image, `${layers.length} layers`);
  const read: EvidenceLayer[] = [];
  for (const layer of layers) read.push(await layerOf(layer, reading));
  const artifactType = parsed.artifactType ?? found.artifactType ?? configType(parsed);
  return {
    ...found,
    manifest: digest,
    mediaType,
    ...(artifactType === undefined ? {} : { artifactType }),
    annotations: parsed.annotations ?? {},
    layers: read,
  };
}

/** OCI image-spec, manifest.md: without an artifactType the config's media type stands for it. */
function configType(parsed: ReturnType<typeof parseManifest>): string | undefined {
  if (parsed.kind === 'index' || parsed.config.mediaType === MEDIA.ociEmpty) return undefined;
  return parsed.config.mediaType;
}

async function layerOf(layer: Descriptor, { repository, image, limits, budget }: Reading): Promise<EvidenceLayer> {
  budget.left -= layer.size;
  if (layer.size > limits.maxLayerBytes || budget.left < 0) throw tooMuch(image, `a layer of ${layer.size} bytes`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of repository.readBlob(layer)) chunks.push(chunk);
  const { mediaType, digest, annotations = {} } = layer;
  return { mediaType, digest, annotations, bytes: Buffer.concat(chunks) };
}

function unknownImage({ name, digest }: PinnedImage): WebhookError {
  return new WebhookError(
    'EVIDENCE_UNAVAILABLE',
    `${name}@${digest} is neither in the synced evidence nor in the site's registry`,
    { fix: "bring it in with a bundle, or push it to the site's registry" },
  );
}

function tooMuch({ name, digest }: PinnedImage, what: string): WebhookError {
  return new WebhookError('EVIDENCE_UNAVAILABLE', `${name}@${digest}: ${what} of evidence are more than is read`);
}
