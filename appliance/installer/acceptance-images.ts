import { randomBytes } from 'node:crypto';

import { MEDIA } from '../../mirror/oci-types.ts';
import type { RepositoryClient } from '../../mirror/registry-port.ts';
import { type Digest, digestOf } from '../kernel/digest.ts';

const LAYER_TYPE = 'application/vnd.oci.image.layer.v1.tar';

/** Where the images of the acceptance test lie in the site's registry. */
export const ACCEPTANCE_REPOSITORY = 'sealift/acceptance';

async function put(repository: RepositoryClient, bytes: Buffer, mediaType: string) {
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
  await repository.putBlob(descriptor, async function* (start, end) {
    yield bytes.subarray(start, end);
  });
  return descriptor;
}

/** Pushes an image of no use that nobody has ever seen: an empty layer, and a configuration with a random word. */
export async function pushFreshImage(repository: RepositoryClient, tag: string): Promise<Digest> {
  // An empty tar archive.
  const tar = Buffer.alloc(1024);
  const layer = await put(repository, tar, LAYER_TYPE);
  const configuration = {
    architecture: 'amd64',
    os: 'linux',
    config: { Labels: { 'dev.sealift.acceptance': randomBytes(12).toString('hex') } },
    rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
  };
  const config = await put(repository, Buffer.from(JSON.stringify(configuration)), MEDIA.ociConfig);
  const manifest = { schemaVersion: 2, mediaType: MEDIA.ociManifest, config, layers: [layer] };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const descriptor = { mediaType: MEDIA.ociManifest, digest: digestOf(bytes), size: bytes.byteLength };
  await repository.putManifest(tag, { descriptor, bytes });
  return descriptor.digest;
}
