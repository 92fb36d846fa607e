import path from 'node:path';

import test from 'ava';
import { parseImageReference } from '../../appliance/kernel/image-reference.ts';
import { closureOf } from '../../mirror/closure.ts';
import { createBundle } from '../../mirror/create-bundle.ts';
import { serializeEvidenceIndex } from '../../mirror/evidence-index.ts';
import { MEDIA } from '../../mirror/oci-types.ts';
import { openBundle } from '../../mirror/open-bundle.ts';
import { publishBundle } from '../../mirror/publish.ts';
import { imageOf, indexOf, manifestOf, push, schemeTag } from './support/images.ts';
import {
  APP,
  type BundleWorld,
  bundleWorld,
  contentOf,
  IMAGES,
  newSigner,
  registryWorld,
  temporaryFolder,
} from './support/world.ts';

async function opened(t: Parameters<typeof bundleWorld>[0], { file, signer }: BundleWorld) {
  const reader = await openBundle(file, { trustedKeys: [signer.fingerprint] });
  t.teardown(async () => await reader.close());
  return reader;
}

for (const referrersApi of [true, false]) {
  const which = referrersApi ? 'with' : 'without';
  test(`what was published ${which} the referrers API has the evidence it had, under the same names`, async (t) => {
    const world = await bundleWorld(t);
    const site = await registryWorld(t, { referrersApi });
    const published = await publishBundle(await opened(t, world), site.client);
    t.true(published.sentBlobs > 0);
    const there = await closureOf(site.client, IMAGES);
    t.true(serializeEvidenceIndex(there.evidence).equals(serializeEvidenceIndex(world.closure.evidence)));
    t.true(site.requests.some((line) => line === 'PUT /v2/ghcr.io/acme/app/manifests/v1'));
  });

  test(`publishing ${which} the referrers API again changes nothing`, async (t) => {
    const world = await bundleWorld(t);
    const site = await registryWorld(t, { referrersApi });
    const reader = await opened(t, world);
    await publishBundle(reader, site.client);
    site.requests.length = 0;
    const again = await publishBundle(reader, site.client);
    t.like(again, { sentBlobs: 0, mountedBlobs: 0, sentManifests: 0, setTags: 0, sentBytes: 0 });
    t.deepEqual(
      site.requests.filter((line) => !/^(?:HEAD|GET \S+\/(?:referrers\/|manifests\/sha256-))/.test(line)),
      [],
    );
  });
}

test('a blob that two repositories need is sent once', async (t) => {
  const world = await bundleWorld(t);
  const site = await registryWorld(t);
  const { mountedBlobs, sentBytes } = await publishBundle(await opened(t, world), site.client);
  // The layer and the (equal) config that the two images share.
  t.is(mountedBlobs, 2);
  const total = [...world.closure.blobs.values()].reduce((sum, { descriptor }) => sum + descriptor.size, 0);
  t.is(sentBytes, total);
});

test('tags of images come last, and after the evidence', async (t) => {
  const world = await bundleWorld(t);
  const site = await registryWorld(t, { referrersApi: false });
  await publishBundle(await opened(t, world), site.client);
  const puts = site.requests.filter((line) => line.startsWith('PUT ') && line.includes('/manifests/'));
  const kinds = puts.map((line) => {
    const reference = line.slice(line.lastIndexOf('/') + 1);
    if (reference.startsWith('sha256:')) return 'digest';
    return reference.startsWith('sha256-') ? 'evidence tag' : 'image tag';
  });
  t.deepEqual(
    kinds,
    kinds.toSorted((a, b) => RANK.indexOf(a) - RANK.indexOf(b)),
  );
  t.is(kinds.filter((kind) => kind === 'image tag').length, 2);
});

const RANK = ['digest', 'evidence tag', 'image tag'];

test('a fallback tag keeps what others have listed in it', async (t) => {
  const world = await bundleWorld(t);
  const site = await registryWorld(t, { referrersApi: false });
  const repository = site.client.repository(parseImageReference(APP));
  const tag = schemeTag(world.upstream.app);
  const foreign = imageOf('signed on the site');
  await push(repository, foreign);
  const list = { schemaVersion: 2, manifests: [foreign.manifest.descriptor] };
  await repository.putManifest(tag, manifestOf(list, MEDIA.ociIndex));
  await publishBundle(await opened(t, world), site.client);
  const listed = JSON.parse(String((await repository.manifest(tag))?.bytes)) as { manifests: { digest: string }[] };
  t.deepEqual(
    listed.manifests.map(({ digest }) => digest).sort(),
    [world.upstream.sbom, world.upstream.fallbackOnly, foreign.manifest.descriptor.digest].sort(),
  );
});

test('progress counts every byte', async (t) => {
  const world = await bundleWorld(t);
  const site = await registryWorld(t);
  const seen: { doneBytes: number; totalBytes: number }[] = [];
  await publishBundle(await opened(t, world), site.client, { onProgress: (progress) => seen.push(progress) });
  t.is(seen.at(-1)?.doneBytes, seen.at(-1)?.totalBytes);
});

test('an index of indexes goes in after those that it holds', async (t) => {
  const upstream = await registryWorld(t);
  const reference = parseImageReference('ghcr.io/acme/nested:v1');
  const repository = upstream.client.repository(reference);
  const children = { 'linux/amd64': imageOf('amd'), 'linux/arm64': imageOf('arm') };
  for (const child of Object.values(children)) await push(repository, child);
  const inner = indexOf(children);
  await repository.putManifest(inner.descriptor.digest, inner);
  const outer = { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: [inner.descriptor] };
  await repository.putManifest('v1', manifestOf(outer, MEDIA.ociIndex));
  const closure = await closureOf(upstream.client, [reference]);
  const signer = newSigner();
  const file = path.join(await temporaryFolder(t), 'nested.tar');
  await createBundle(file, contentOf(closure), { signer });
  const reader = await openBundle(file, { trustedKeys: [signer.fingerprint] });
  t.teardown(async () => await reader.close());
  const site = await registryWorld(t);
  await publishBundle(reader, site.client);
  t.true(await site.client.repository(reference).hasManifest('v1'));
});
