import test from 'ava';
import { parseImageReference, repositoryName } from '../../appliance/kernel/image-reference.ts';
import { closureOf } from '../../mirror/closure.ts';
import { memoryRegistry } from '../../mirror/memory-registry.ts';
import { registryClient } from '../../mirror/registry-client.ts';
import { imageOf, indexOf, manifestOf, push, referrerOf, schemeTag } from './support/images.ts';
import { notingRetry, serve } from './support/server.ts';
import { APP, fillUpstream, IMAGES, registryWorld, TOOL } from './support/world.ts';

const app = parseImageReference(APP);

test('an image is followed to its children, its evidence, and the evidence of its evidence', async (t) => {
  const { client } = await registryWorld(t);
  const made = await fillUpstream(client);
  const { manifests, evidence, images } = await closureOf(client, IMAGES);
  t.deepEqual([...manifests.keys()].sort(), Object.values(made).sort());
  t.deepEqual(
    images.map(({ root }) => root.digest),
    [made.app, made.tool],
  );
  t.deepEqual(evidence.tags, { [APP]: made.app, [TOOL]: made.tool });
  const attached = (digest: keyof typeof evidence.images): string[] =>
    evidence.images[digest]?.evidence.map((item) => `${item.suffix ?? item.source} ${item.manifest.digest}`).sort() ??
    [];
  t.deepEqual(
    attached(made.app),
    [`sig ${made.appSig}`, `referrer ${made.sbom}`, `referrer ${made.fallbackOnly}`].sort(),
  );
  t.deepEqual(attached(made.amd), [`referrer ${made.amdBundle}`]);
  t.deepEqual(attached(made.arm), []);
  t.deepEqual(attached(made.sbom), [`referrer ${made.sbomSignature}`]);
  t.deepEqual(evidence.images[made.tool]?.evidence, []);
  t.deepEqual(evidence.images[made.app]?.children, [made.amd, made.arm]);
  t.is(evidence.images[made.appSig], undefined);
});

test('what several images share is planned once', async (t) => {
  const { client } = await registryWorld(t);
  await fillUpstream(client);
  const { blobs, manifests } = await closureOf(client, IMAGES);
  const needed = [...manifests.values()].flatMap(({ bytes }) => {
    const { config, layers } = JSON.parse(bytes.toString()) as {
      config?: { digest: string };
      layers?: { digest: string }[];
    };
    return [...(config === undefined ? [] : [config.digest]), ...(layers ?? []).map(({ digest }) => digest)];
  });
  t.deepEqual(new Set<string>(blobs.keys()), new Set(needed));
  t.true(needed.length > blobs.size);
});

test('chosen platforms only are carried, under the unchanged index digest', async (t) => {
  const { client } = await registryWorld(t);
  const made = await fillUpstream(client);
  const { manifests, evidence } = await closureOf(client, [app], { platforms: ['linux/arm64'] });
  t.true(manifests.has(made.app));
  t.true(manifests.has(made.arm));
  t.false(manifests.has(made.amd));
  t.deepEqual(evidence.images[made.app]?.children, [made.arm]);
});

test('children for no platform (attestations of BuildKit) come along', async (t) => {
  const { client } = await registryWorld(t);
  const repository = client.repository(app);
  const [amd, attestation] = [imageOf('amd'), imageOf('attestation')];
  for (const each of [amd, attestation]) await push(repository, each);
  await repository.putManifest('v1', indexOf({ 'linux/amd64': amd, 'unknown/unknown': attestation }));
  const { manifests } = await closureOf(client, [app], { platforms: ['linux/amd64'] });
  t.is(manifests.size, 3);
});

test('an image for none of the platforms is an error', async (t) => {
  const { client } = await registryWorld(t);
  await fillUpstream(client);
  await t.throwsAsync(closureOf(client, [app], { platforms: ['linux/s390x'] }), { code: 'PLATFORM_MISSING' });
});

test('an image that is not there is an error that names it', async (t) => {
  const { client } = await registryWorld(t);
  const error = await t.throwsAsync(closureOf(client, [app]), { code: 'REGISTRY_NOT_FOUND' });
  t.true(error.message.includes(APP));
});

test('a referrer that is listed but not there is an error, never a shorter closure', async (t) => {
  const { client } = await registryWorld(t, { sparseIndexes: true });
  const repository = client.repository(app);
  const image = imageOf('layer');
  await push(repository, image, 'v1');
  const lost = referrerOf(image.manifest.descriptor, 'lost').manifest.descriptor;
  const list = manifestOf({ schemaVersion: 2, manifests: [lost] }, 'application/vnd.oci.image.index.v1+json');
  await repository.putManifest(schemeTag(image.manifest.descriptor.digest), list);
  await t.throwsAsync(closureOf(client, [app]), { code: 'REGISTRY_NOT_FOUND' });
});

for (const [what, pattern] of [
  ['a tag of evidence', /\.att$/],
  ['the referrers API', /\/referrers\//],
  ['the fallback tag', /manifests\/sha256-[0-9a-f]{64}$/],
] as const) {
  test(`${what} that can't be read is an error, never a shorter closure`, async (t) => {
    const registry = memoryRegistry();
    const origin = await serve(t, (request, response) => {
      if (request.method === 'GET' && pattern.test(request.url ?? '')) response.writeHead(500).end();
      else registry.handle(request, response);
    });
    const client = registryClient({ mirrors: { '*': origin }, retry: notingRetry() });
    t.teardown(async () => await client.close());
    await push(client.repository(app), imageOf('layer'), 'v1');
    await t.throwsAsync(closureOf(client, [app]), { code: 'REGISTRY_STATUS' });
  });
}

test('one image in two repositories is one record with both names', async (t) => {
  const { client } = await registryWorld(t);
  const copy = parseImageReference('quay.io/copy/app:v1');
  const image = imageOf('layer');
  for (const reference of [app, copy]) await push(client.repository(reference), image, 'v1');
  const { evidence, manifests } = await closureOf(client, [app, copy]);
  t.is(manifests.size, 1);
  const [record] = Object.values(evidence.images);
  t.deepEqual(record?.repositories.toSorted(), [repositoryName(app), repositoryName(copy)].sort());
});
