import { type Digest, digestOf } from '../appliance/kernel/digest.ts';
import type { Descriptor } from './descriptor.ts';
import { fallbackTag } from './find-evidence.ts';
import { MirrorError } from './mirror-error.ts';
import { MEDIA, parseManifest } from './oci-types.ts';
import type { RepositoryClient } from './registry-port.ts';

const ATTEMPTS = 5;

/**
 * Makes sure that the fallback tag of `subject` lists `referrers`, beside what it lists already. Registries have no
 * way to change a tag only if nobody else did: after writing it is read again, and written again when somebody else's
 * write has won.
 * @returns whether something had to be written.
 * @throws MirrorError `REGISTRY_PROTOCOL` when the tag does not keep what is written.
 */
export async function listInFallbackTag(
  repository: RepositoryClient,
  subject: Digest,
  referrers: readonly Descriptor[],
): Promise<boolean> {
  const tag = fallbackTag(subject);
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const present = await referrersListed(repository, tag);
    const missing = referrers.filter(({ digest }) => !present.some((each) => each.digest === digest));
    if (missing.length === 0) return attempt > 0;
    const index = { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [...present, ...missing] };
    const bytes = Buffer.from(JSON.stringify(index));
    const descriptor = { mediaType: MEDIA.ociIndex, digest: digestOf(bytes), size: bytes.byteLength };
    await repository.putManifest(tag, { descriptor, bytes });
  }
  throw new MirrorError('REGISTRY_PROTOCOL', `${repository.name}:${tag} does not keep what is written to it`);
}

async function referrersListed(repository: RepositoryClient, tag: string): Promise<readonly Descriptor[]> {
  const fetched = await repository.manifest(tag);
  if (fetched === undefined) return [];
  const index = parseManifest(fetched.bytes, fetched.descriptor.mediaType);
  if (index.kind === 'index') return index.manifests;
  throw new MirrorError('REGISTRY_PROTOCOL', `${repository.name}:${tag} should list referrers, but is no index`);
}
