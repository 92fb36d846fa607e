import { z } from 'zod';
import { fetchBlob, fetchManifest, pushBlob, pushManifest } from './registry.ts';

const INDEX = 'application/vnd.oci.image.index.v1+json';
const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';

const descriptor = z.looseObject({ mediaType: z.string(), digest: z.string(), size: z.number() });
const manifestSchema = z.looseObject({
  mediaType: z.string(),
  artifactType: z.string().optional(),
  subject: descriptor.optional(),
  layers: z.array(descriptor),
  annotations: z.record(z.string(), z.string()).default({}),
});
const indexSchema = z.looseObject({ mediaType: z.string().optional(), manifests: z.array(descriptor) });

/** The tag by which registries without the referrers API list what refers to `digest` (OCI distribution-spec 1.1). */
function fallbackTag(digest: string): string {
  return digest.replace(':', '-');
}

const SIGNATURE_PREDICATE = 'https://sigstore.dev/cosign/sign/v1';

/** The manifest that attaches `digest`'s signature (not an attestation), as cosign made it. */
async function signatureManifestOf(repository: string, digest: string): Promise<z.infer<typeof manifestSchema>> {
  const index = indexSchema.parse(JSON.parse((await fetchManifest(repository, fallbackTag(digest))).bytes.toString()));
  for (const { digest: referrer } of index.manifests) {
    const manifest = manifestSchema.parse(JSON.parse((await fetchManifest(repository, referrer)).bytes.toString()));
    if (manifest.annotations['dev.sigstore.bundle.predicateType'] === SIGNATURE_PREDICATE) return manifest;
  }
  throw new Error(`no signature of ${repository}@${digest}`);
}

/** The Sigstore bundle of `digest`'s signature. */
export async function signatureBundleOf(repository: string, digest: string): Promise<Buffer> {
  const [layer] = (await signatureManifestOf(repository, digest)).layers;
  return await fetchBlob(repository, layer?.digest ?? '');
}

/** Attaches a Sigstore bundle to an image as cosign does: a referrer, listed in the fallback tag. */
export async function attachBundle(repository: string, digest: string, bundle: Buffer): Promise<void> {
  const subject = await fetchManifest(repository, digest);
  const empty = Buffer.from('{}');
  const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest: await pushBlob(repository, empty), size: 2 };
  const layer = { mediaType: BUNDLE_TYPE, digest: await pushBlob(repository, bundle), size: bundle.length };
  const annotations = {
    'dev.sigstore.bundle.content': 'dsse-envelope',
    'dev.sigstore.bundle.predicateType': SIGNATURE_PREDICATE,
    'org.opencontainers.image.created': new Date().toISOString(),
  };
  const referrer = await pushManifest(repository, {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    artifactType: BUNDLE_TYPE,
    config,
    layers: [layer],
    subject: { mediaType: subject.mediaType, digest: subject.digest, size: subject.bytes.length },
    annotations,
  });
  const entry = {
    mediaType: referrer.mediaType,
    digest: referrer.digest,
    size: referrer.bytes.length,
    artifactType: BUNDLE_TYPE,
    annotations,
  };
  await pushManifest(repository, { schemaVersion: 2, mediaType: INDEX, manifests: [entry] }, fallbackTag(digest));
}
