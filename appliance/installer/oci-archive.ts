import { OCI_LAYOUT } from '../../mirror/oci-layout.ts';
import { contentOf, MAX_MANIFEST_BYTES, parseManifest } from '../../mirror/oci-types.ts';
import type { BundleReader } from '../../mirror/open-bundle.ts';
import { paddingAfter, TAR_END_BYTES, tarHeader } from '../../mirror/tar.ts';
import { type Digest, hexOf } from '../kernel/digest.ts';

/** An image to put into an archive, and the name that containerd is to give it. */
export interface ArchivedImage {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
  /** Full reference, `host/repository:tag`. */
  readonly name: string;
}

async function blobsOf(
  reader: BundleReader,
  { digest, mediaType }: { digest: Digest; mediaType: string },
): Promise<Digest[]> {
  const manifest = parseManifest(await reader.readBlob(digest, { maxBytes: MAX_MANIFEST_BYTES }), mediaType);
  if (manifest.kind !== 'index') return [digest, ...contentOf(manifest).map((blob) => blob.digest)];
  const blobs = [digest];
  // A bundle may carry some platforms of an index only.
  for (const child of manifest.manifests) if (reader.has(child.digest)) blobs.push(...(await blobsOf(reader, child)));
  return blobs;
}

function* member(path: string, content: Buffer): Generator<Buffer> {
  yield tarHeader(path, content.byteLength);
  yield content;
  yield Buffer.alloc(paddingAfter(content.byteLength));
}

/** One image of a bundle as an OCI image layout in a tar stream, as `ctr images import` takes it. No temporary file. */
export async function* ociArchive(reader: BundleReader, image: ArchivedImage): AsyncGenerator<Buffer> {
  const { digest, mediaType, size, name } = image;
  const descriptor = { mediaType, digest, size, annotations: { 'io.containerd.image.name': name } };
  const index = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [descriptor] };
  yield* member('oci-layout', Buffer.from(OCI_LAYOUT));
  yield* member('index.json', Buffer.from(JSON.stringify(index)));
  for (const blob of new Set(await blobsOf(reader, image))) {
    const bytes = reader.sizeOf(blob);
    yield tarHeader(`blobs/sha256/${hexOf(blob)}`, bytes);
    yield* reader.streamBlob(blob);
    yield Buffer.alloc(paddingAfter(bytes));
  }
  yield Buffer.alloc(TAR_END_BYTES);
}
