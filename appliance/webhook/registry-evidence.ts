import { findEvidence } from '../../mirror/find-evidence.ts';
import type { RepositoryClient } from '../../mirror/registry-port.ts';
import {
  EVIDENCE_LIMITS,
  type EvidenceLimits,
  type EvidenceReader,
  type PinnedImage,
} from '../verification/evidence.ts';
import { type BlobReader, readEvidence, unknownImage } from '../verification/stored-evidence.ts';
import { VerificationError } from '../verification/verification-error.ts';
import type { SiteRegistry } from './site-registry.ts';

/**
 * Evidence as the site's registry holds it now, for images built on the site that no generation holds yet: referrers and
 * cosign's tags. Bounded in manifests and bytes, and in time by the registry's lookup limit.
 * @throws VerificationError `EVIDENCE_UNAVAILABLE` for an image that the registry does not hold, or when it does not
 *   answer; `EVIDENCE_TOO_LARGE`.
 */
export function registryEvidence(
  registry: Pick<SiteRegistry, 'repository'>,
  limits: EvidenceLimits = EVIDENCE_LIMITS,
): EvidenceReader {
  return {
    evidenceFor: async (image) => {
      try {
        const repository = bounded(registry.repository(nameParts(image)), image, limits);
        if (!(await repository.hasManifest(image.digest))) throw unknownImage(image);
        const found = await findEvidence(repository, image.digest);
        const manifests = new Map(found.map(({ fetched }) => [fetched.descriptor.digest, fetched.bytes]));
        const blobs: BlobReader = {
          read: async (blob) => manifests.get(blob.digest) ?? (await readBlob(repository, blob)),
        };
        return await readEvidence(image, { known: { evidence: found.map(({ item }) => item) }, blobs, limits });
      } catch (cause) {
        if (cause instanceof VerificationError) throw cause;
        throw new VerificationError(
          'EVIDENCE_UNAVAILABLE',
          `nothing is synced about ${image.name}@${image.digest}, and the site's registry could not tell`,
          { cause, fix: 'see whether the registry runs: sealift status' },
        );
      }
    },
  };
}

function nameParts({ name }: PinnedImage): { host: string; repository: string } {
  const slash = name.indexOf('/');
  return { host: name.slice(0, slash), repository: name.slice(slash + 1) };
}

async function readBlob(repository: RepositoryClient, { digest, size }: Parameters<BlobReader['read']>[0]) {
  const chunks: Uint8Array[] = [];
  const mediaType = 'application/octet-stream';
  for await (const chunk of repository.readBlob({ mediaType, digest, size })) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Room for SBOMs and other artifacts beside the documents that count. */
const MANIFESTS_PER_DOCUMENT = 4;

/** The repository, until it has handed out more manifests or bytes of them than one image may cost. */
function bounded(repository: RepositoryClient, image: PinnedImage, limits: EvidenceLimits): RepositoryClient {
  const maxManifests = limits.maxDocuments * MANIFESTS_PER_DOCUMENT;
  let manifests = 0;
  let bytes = 0;
  const assertFits = (): void => {
    if (manifests <= maxManifests && bytes <= limits.maxTotalBytes) return;
    const { name, digest } = image;
    throw new VerificationError('EVIDENCE_TOO_LARGE', `more is attached to ${name}@${digest} than is looked through`, {
      fix: 'remove signatures and attestations that nobody needs from the image',
    });
  };
  return {
    ...repository,
    manifest: async (reference) => {
      manifests += 1;
      assertFits();
      const fetched = await repository.manifest(reference);
      bytes += fetched?.bytes.byteLength ?? 0;
      assertFits();
      return fetched;
    },
  };
}
