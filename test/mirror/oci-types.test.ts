import test from 'ava';
import { digestOf } from '../../appliance/kernel/digest.ts';
import { artifactTypeOf, contentOf, MEDIA, mediaTypeOfManifest, parseManifest } from '../../mirror/oci-types.ts';

const config = { mediaType: MEDIA.ociConfig, digest: digestOf('{}'), size: 2 };
const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: digestOf('layer'), size: 5 };
const manifest = { schemaVersion: 2, mediaType: MEDIA.ociManifest, config, layers: [layer] };
const index = {
  schemaVersion: 2,
  manifests: [
    { mediaType: MEDIA.ociManifest, digest: digestOf('m'), size: 1, platform: { os: 'linux', architecture: 'amd64' } },
  ],
};

const bytes = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

test('a manifest points to its config and layers', (t) => {
  const parsed = parseManifest(bytes(manifest), MEDIA.ociManifest);
  t.deepEqual(contentOf(parsed), [config, layer]);
  t.is(artifactTypeOf(parsed), MEDIA.ociConfig);
});

test('an index points to its children, platform included', (t) => {
  const parsed = parseManifest(bytes(index), MEDIA.ociIndex);
  t.deepEqual(contentOf(parsed), index.manifests as never);
  t.is(artifactTypeOf(parsed), undefined);
});

test('the media type is the one inside, else told from the fields', (t) => {
  t.is(mediaTypeOfManifest(bytes({ ...manifest, mediaType: MEDIA.dockerManifest })), MEDIA.dockerManifest);
  t.is(mediaTypeOfManifest(bytes(index)), MEDIA.ociIndex);
  t.is(mediaTypeOfManifest(bytes({ ...manifest, mediaType: undefined })), MEDIA.ociManifest);
});

for (const [what, document, mediaType] of [
  ['a manifest that is an index as well', { ...manifest, manifests: [] }, MEDIA.ociManifest],
  ['an index that is a manifest as well', { ...index, layers: [] }, MEDIA.ociIndex],
  ['a manifest served as another type', manifest, MEDIA.dockerManifest],
  ['schema version 1', { ...manifest, schemaVersion: 1 }, MEDIA.ociManifest],
  ['a digest of another algorithm', { ...manifest, config: { ...config, digest: 'sha512:00' } }, MEDIA.ociManifest],
  ['a negative size', { ...manifest, layers: [{ ...layer, size: -1 }] }, MEDIA.ociManifest],
  ['a size that is no whole number', { ...manifest, layers: [{ ...layer, size: 1.5 }] }, MEDIA.ociManifest],
  ['a type that is no manifest', manifest, MEDIA.ociConfig],
  ['an array', [], MEDIA.ociManifest],
] as const) {
  test(`${what} is refused`, (t) => {
    t.throws(() => parseManifest(bytes(document), mediaType), { code: 'MANIFEST_INVALID' });
  });
}
