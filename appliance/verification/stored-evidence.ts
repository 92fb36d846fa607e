import type { BlobStore } from '../../mirror/blob-store.ts';
import type { Descriptor } from '../../mirror/descriptor.ts';
import type { EvidenceImage, EvidenceIndex, EvidenceItem } from '../../mirror/evidence-index.ts';
import { type Manifest, parseManifest } from '../../mirror/oci-types.ts';
import { isSignatureType } from './candidate.ts';
import {
  EVIDENCE_LIMITS,
  type EvidenceDocument,
  type EvidenceLayer,
  type EvidenceLimits,
  type EvidenceReader,
  type PinnedImage,
} from './evidence.ts';
import { VerificationError } from './verification-error.ts';

/** Where the content of evidence is read from: checked against digest and size by whoever implements it. */
export type BlobReader = Pick<BlobStore, 'read'>;

/**
 * Evidence that this machine holds: what the index says is there, read from the blob store. An image that the index
 * lists without evidence has none; one that it does not list is unknown.
 */
export function storedEvidence(
  index: EvidenceIndex,
  blobs: BlobReader,
  limits: EvidenceLimits = EVIDENCE_LIMITS,
): EvidenceReader {
  return {
    evidenceFor: async (image) => {
      const known = Object.hasOwn(index.images, image.digest) ? index.images[image.digest] : undefined;
      if (known === undefined) throw unknownImage(image);
      return await readEvidence(image, { known, blobs, limits });
    },
  };
}

/** Asks `first`, and `second` for images that `first` does not know. */
export function evidenceFrom(first: EvidenceReader, second: EvidenceReader): EvidenceReader {
  return {
    evidenceFor: async (image) => {
      try {
        return await first.evidenceFor(image);
      } catch (error) {
        if (error instanceof VerificationError && error.code === 'EVIDENCE_UNAVAILABLE') {
          return await second.evidenceFor(image);
        }
        throw error;
      }
    },
  };
}

/** The error for an image of which nothing is known here. */
export function unknownImage({ name, digest }: PinnedImage, cause?: unknown): VerificationError {
  return new VerificationError('EVIDENCE_UNAVAILABLE', `nothing is known here about ${name}@${digest}`, {
    cause,
    fix: "bring the image in a bundle, or push it to the site's registry and wait for the next sync",
  });
}

interface EvidenceSource {
  readonly known: Pick<EvidenceImage, 'evidence'>;
  readonly blobs: BlobReader;
  readonly limits: EvidenceLimits;
}

/**
 * Reads the documents behind an image's evidence items. Counts and announced sizes are checked before anything is
 * read; a layer that is too large is left out, as if it were not there.
 * @throws VerificationError `EVIDENCE_TOO_LARGE`, `EVIDENCE_UNAVAILABLE` when a blob is missing or damaged.
 */
export async function readEvidence(
  image: PinnedImage,
  { known, blobs, limits }: EvidenceSource,
): Promise<EvidenceDocument[]> {
  const items = known.evidence.filter(isJudged);
  if (items.length > limits.maxDocuments) {
    throw tooLarge(image, `${items.length} signatures and attestations, ${limits.maxDocuments} are read at most`);
  }
  assertFits(
    image,
    items.map(({ manifest }) => manifest),
    limits,
  );
  try {
    const manifests = await Promise.all(items.map(async (item) => await readManifest(item, blobs)));
    const wanted = manifests.map((manifest) => layersToRead(manifest, limits));
    const layers = wanted.flat();
    if (layers.length > limits.maxLayers) {
      throw tooLarge(image, `${layers.length} signatures and attestations, ${limits.maxLayers} are read at most`);
    }
    assertFits(image, layers, limits);
    return await Promise.all(
      items.map(async (item, at) => ({
        ...headOf(item, manifests[at]),
        layers: await Promise.all((wanted[at] ?? []).map(async (layer) => await readLayer(layer, blobs))),
      })),
    );
  } catch (cause) {
    if (cause instanceof VerificationError) throw cause;
    throw new VerificationError('EVIDENCE_UNAVAILABLE', `evidence of ${image.name}@${image.digest} can't be read`, {
      cause,
      fix: 'run sealift status: the node agent repairs evidence that is missing or damaged at its next sync',
    });
  }
}

function assertFits(image: PinnedImage, blobs: readonly { size: number }[], { maxTotalBytes }: EvidenceLimits): void {
  const total = blobs.reduce((sum, { size }) => sum + size, 0);
  if (total > maxTotalBytes) throw tooLarge(image, `${total} bytes, ${maxTotalBytes} are read at most`);
}

/** SBOMs and other artifacts are carried for people; verdicts rest on signatures and attestations alone. */
function isJudged({ source, suffix, artifactType, blobs }: EvidenceItem): boolean {
  if (source === 'tag') return suffix === 'sig' || suffix === 'att';
  const types = [artifactType ?? '', ...blobs.map(({ mediaType }) => mediaType)];
  return types.some((type) => isSignatureType(type) || type.startsWith('application/vnd.dev.cosign.artifact.'));
}

async function readManifest({ manifest }: EvidenceItem, blobs: BlobReader): Promise<Manifest> {
  return parseManifest(await blobs.read(manifest), manifest.mediaType);
}

function layersToRead(manifest: Manifest, limits: EvidenceLimits): Descriptor[] {
  const layers = manifest.kind === 'manifest' ? manifest.layers : [];
  return layers
    .filter(({ mediaType, size }) => isSignatureType(mediaType) && size <= limits.maxLayerBytes)
    .slice(0, limits.maxLayersPerDocument);
}

async function readLayer(layer: Descriptor, blobs: BlobReader): Promise<EvidenceLayer> {
  const { mediaType, digest, annotations = {} } = layer;
  return { mediaType, digest, bytes: await blobs.read(layer), annotations };
}

function headOf(item: EvidenceItem, manifest: Manifest | undefined) {
  return {
    manifest: item.manifest.digest,
    mediaType: item.manifest.mediaType,
    ...(item.artifactType === undefined ? {} : { artifactType: item.artifactType }),
    source: item.source,
    ...(item.suffix === undefined ? {} : { suffix: item.suffix }),
    annotations: manifest?.annotations ?? {},
  };
}

function tooLarge({ name, digest }: PinnedImage, why: string): VerificationError {
  return new VerificationError('EVIDENCE_TOO_LARGE', `evidence of ${name}@${digest}: ${why}`, {
    fix: 'remove signatures and attestations that nobody needs from the image',
  });
}
