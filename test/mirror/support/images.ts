import { type Digest, digestOf } from '../../../appliance/kernel/digest.ts';
import type { Descriptor } from '../../../mirror/descriptor.ts';
import { MEDIA } from '../../../mirror/oci-types.ts';
import type { FetchedManifest, RepositoryClient } from '../../../mirror/registry-port.ts';

/** A blob with its name. */
export interface Blob {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/** An image or artifact that lies in memory, ready to be pushed. */
export interface Artifact {
  readonly manifest: FetchedManifest;
  readonly blobs: readonly Blob[];
}

export function blobOf(content: string | Buffer, mediaType = 'application/vnd.oci.image.layer.v1.tar'): Blob {
  const bytes = Buffer.from(content);
  return { bytes, descriptor: { mediaType, digest: digestOf(bytes), size: bytes.byteLength } };
}

export function manifestOf(document: object, mediaType: string): FetchedManifest {
  const bytes = Buffer.from(JSON.stringify(document));
  return { bytes, descriptor: { mediaType, digest: digestOf(bytes), size: bytes.byteLength } };
}

/** An image of the given layers. */
export function imageOf(...layers: (string | Buffer)[]): Artifact {
  const config = blobOf(JSON.stringify({ os: 'linux', architecture: 'amd64', layers: layers.length }), MEDIA.ociConfig);
  const blobs = layers.map((layer) => blobOf(layer));
  const document = {
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    config: config.descriptor,
    layers: blobs.map(({ descriptor }) => descriptor),
  };
  return { manifest: manifestOf(document, MEDIA.ociManifest), blobs: [config, ...blobs] };
}

/** An index over images, one a platform. */
export function indexOf(children: Record<string, Artifact>): FetchedManifest {
  const manifests = Object.entries(children).map(([platform, { manifest }]) => {
    const [os, architecture] = platform.split('/');
    return { ...manifest.descriptor, platform: { os, architecture } };
  });
  return manifestOf({ schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests }, MEDIA.ociIndex);
}

/** An artifact that refers to `subject`, as cosign 3 attaches a Sigstore bundle. */
export function referrerOf(
  subject: Descriptor,
  content: string,
  artifactType: string = MEDIA.sigstoreBundle,
): Artifact {
  const config = blobOf('{}', MEDIA.ociEmpty);
  const layer = blobOf(content, artifactType);
  const { mediaType, digest, size } = subject;
  const document = {
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    artifactType,
    config: config.descriptor,
    layers: [layer.descriptor],
    subject: { mediaType, digest, size },
    annotations: { 'dev.sigstore.bundle.content': 'dsse-envelope' },
  };
  return { manifest: manifestOf(document, MEDIA.ociManifest), blobs: [config, layer] };
}

/** The tag of the tag scheme: `sha256-<hex>.sig` and the like; without suffix the referrers fallback tag. */
export function schemeTag(digest: Digest, suffix = ''): string {
  return `${digest.replace(':', '-')}${suffix === '' ? '' : `.${suffix}`}`;
}

/** Stores an artifact, under its digest and the given tags. */
export async function push(repository: RepositoryClient, artifact: Artifact, ...tags: string[]): Promise<void> {
  for (const { descriptor, bytes } of artifact.blobs) await repository.putBlob(descriptor, sliceOf(bytes));
  for (const reference of [artifact.manifest.descriptor.digest, ...tags]) {
    await repository.putManifest(reference, artifact.manifest);
  }
}

/** Bytes as an upload source. */
export function sliceOf(bytes: Buffer) {
  return async function* (start: number, end: number): AsyncGenerator<Uint8Array> {
    yield bytes.subarray(start, end);
  };
}

/** Everything that an iterable gives. */
export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}
