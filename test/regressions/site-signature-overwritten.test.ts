// cosign adds a signature to what the tag `sha256-….sig` holds. Publishing a bundle set the tag back to the upstream's
// signatures, and what the site had signed by itself was refused from then on.

import test, { type ExecutionContext } from 'ava';

import { parseImageReference } from '../../appliance/kernel/image-reference.ts';
import { MEDIA, parseManifest } from '../../mirror/oci-types.ts';
import { openBundle } from '../../mirror/open-bundle.ts';
import { publishBundle } from '../../mirror/publish.ts';
import { blobOf, manifestOf, schemeTag, sliceOf } from '../mirror/support/images.ts';
import { APP, bundleWorld, registryWorld } from '../mirror/support/world.ts';

async function published(t: ExecutionContext) {
  const world = await bundleWorld(t);
  const site = await registryWorld(t);
  const reader = await openBundle(world.file, { trustedKeys: [world.signer.fingerprint] });
  t.teardown(async () => await reader.close());
  await publishBundle(reader, site.client);
  const app = site.client.repository(parseImageReference(APP));
  const tag = schemeTag(world.upstream.app, 'sig');
  const layers = async () => {
    const fetched = await app.manifest(tag);
    const manifest = fetched === undefined ? undefined : parseManifest(fetched.bytes, fetched.descriptor.mediaType);
    if (manifest?.kind !== 'manifest') throw new Error('the tag holds no signatures');
    return manifest;
  };
  /** Sets the tag to these signatures, as the site's cosign does. */
  const sign = async (contents: readonly string[], keep: boolean): Promise<void> => {
    const { config, layers: upstream } = await layers();
    const blobs = contents.map((content) => blobOf(content));
    for (const { descriptor, bytes } of blobs) await app.putBlob(descriptor, sliceOf(bytes));
    const own = blobs.map(({ descriptor }) => descriptor);
    const document = {
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      config,
      layers: keep ? [...upstream, ...own] : own,
    };
    await app.putManifest(tag, manifestOf(document, MEDIA.ociManifest));
  };
  const again = async () => await publishBundle(reader, site.client);
  return { layers, sign, again };
}

test('a signature that the site has added stays, and publishing again changes nothing', async (t) => {
  const { layers, sign, again } = await published(t);
  await sign(['signed on the site'], true);
  t.like(await again(), { setTags: 0, sentManifests: 0 });
  t.is((await layers()).layers.length, 2);
});

test('where each side has signatures that the other has not, all are kept', async (t) => {
  const { layers, sign, again } = await published(t);
  await sign(['signed on the site', 'signed twice'], false);
  t.like(await again(), { setTags: 1 });
  t.is((await layers()).layers.length, 3);
  t.like(await again(), { setTags: 0 });
});
