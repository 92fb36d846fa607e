import test from 'ava';

import { digestOf } from '../../appliance/kernel/digest.ts';
import { listRepositories } from '../../daemonset/registry-catalog.ts';
import { nameOfRepository } from '../../daemonset/site-names.ts';
import { loadRepository, roleIn } from '../../trust-root/repository-state.ts';
import { imageOf, indexOf, push, referrerOf, schemeTag } from '../mirror/support/images.ts';
import { registryWorld } from '../mirror/support/world.ts';
import { signatureBlob, siteWorld } from './site-world.ts';

test('an image and its evidence are found under the original name', async (t) => {
  const { pushSigned, scan } = await siteWorld(t);
  const digest = await pushSigned('v1');
  const index = await scan.scan();
  t.deepEqual(index.tags, { 'ghcr.io/acme/app:v1': digest });
  t.deepEqual(index.images[digest]?.repositories, ['ghcr.io/acme/app']);
  t.deepEqual(
    index.images[digest]?.evidence.map(({ suffix, blobs }) => [suffix, blobs.at(-1)?.digest]),
    [['sig', signatureBlob('v1')]],
  );
});

test("evidence is no image: its tags are not among the site's", async (t) => {
  const { pushSigned, scan } = await siteWorld(t);
  await pushSigned('v1');
  t.deepEqual(Object.keys((await scan.scan()).images).length, 1);
});

test('an image without evidence is listed, and has none', async (t) => {
  const { app, scan } = await siteWorld(t);
  const image = imageOf('bare');
  await push(app, image, 'v1');
  t.deepEqual((await scan.scan()).images[image.manifest.descriptor.digest]?.evidence, []);
});

test('an image pushed by digest alone is found by the evidence tagged for it', async (t) => {
  const { app, scan } = await siteWorld(t, { referrersApi: false });
  const image = imageOf('untagged');
  await push(app, image);
  await push(app, imageOf('its signature'), schemeTag(image.manifest.descriptor.digest, 'sig'));
  t.is((await scan.scan()).images[image.manifest.descriptor.digest]?.evidence.length, 1);
});

test('a repository pushed on the site belongs to the registry itself', async (t) => {
  const { registry, scan } = await siteWorld(t);
  await push(registry.client.repository({ host: 'team', repository: 'tool' }), imageOf('tool'), '1');
  t.deepEqual(Object.keys((await scan.scan()).tags), ['registry.sealift-system.svc.cluster.local/team/tool:1']);
});

for (const referrersApi of [true, false]) {
  test(`evidence added later is found, ${referrersApi ? 'with' : 'without'} a referrers API`, async (t) => {
    const { app, scan } = await siteWorld(t, { referrersApi });
    const image = imageOf('app');
    await push(app, image, 'v1');
    const { descriptor } = image.manifest;
    t.is((await scan.scan()).images[descriptor.digest]?.evidence.length, 0);
    if (referrersApi) await push(app, referrerOf(descriptor, 'bundle'));
    else await push(app, imageOf('signature'), schemeTag(descriptor.digest, 'sig'));
    t.is((await scan.scan()).images[descriptor.digest]?.evidence.length, 1);
  });
}

test('a second look at an unchanged registry asks for tags only', async (t) => {
  const { pushSigned, scan, registry } = await siteWorld(t, { referrersApi: false });
  await pushSigned('v1');
  const first = await scan.scan();
  registry.requests.length = 0;
  t.deepEqual(await scan.scan(), first);
  t.deepEqual(
    registry.requests.filter((request) => request.startsWith('GET')),
    ['GET /v2/_catalog?n=1000', 'GET /v2/ghcr.io/acme/app/tags/list?n=1000'],
  );
});

test('an image that is broken leaves the others alone', async (t) => {
  const { pushSigned, app, scan } = await siteWorld(t);
  const good = await pushSigned('good');
  const gone = imageOf('gone');
  const index = indexOf({ 'linux/amd64': gone });
  await push(app, gone);
  await app.putManifest('broken', index);
  await app.deleteManifest(gone.manifest.descriptor.digest);
  const { images, tags } = await scan.scan();
  t.true(good in images);
  t.false(index.descriptor.digest in images);
  t.deepEqual(Object.keys(tags), ['ghcr.io/acme/app:good']);
});

test('an index of which the site holds its own platform only is listed with that', async (t) => {
  const { app, scan } = await siteWorld(t, { sparseIndexes: true });
  const here = imageOf('amd64');
  const index = indexOf({ 'linux/amd64': here, 'linux/arm64': imageOf('arm64') });
  await push(app, here);
  await app.putManifest('v1', index);
  t.deepEqual((await scan.scan()).images[index.descriptor.digest]?.children, [here.manifest.descriptor.digest]);
});

test('evidence whose content the registry has lost is left out', async (t) => {
  const { registry, scan, app } = await siteWorld(t);
  const image = imageOf('app');
  await push(app, image, 'v1');
  const lost = imageOf('lost signature');
  await push(app, lost, schemeTag(image.manifest.descriptor.digest, 'sig'));
  const digest = digestOf('lost signature');
  const response = await fetch(`${registry.origin}/v2/ghcr.io/acme/app/blobs/${digest}`, { method: 'DELETE' });
  if (response.status !== 202) {
    t.log(`the registry in memory keeps blobs (${response.status}); nothing to see`);
    t.pass();
    return;
  }
  t.deepEqual((await scan.scan()).images[image.manifest.descriptor.digest]?.evidence, []);
});

test('the catalog is read page by page', async (t) => {
  const { client, origin } = await registryWorld(t, { pageSize: 2 });
  for (const repository of ['a/a', 'b/b', 'c/c', 'd/d', 'e/e']) {
    await push(client.repository({ host: 'ghcr.io', repository }), imageOf('x'), '1');
  }
  t.deepEqual((await listRepositories({ url: origin })).length, 5);
});

test('a registry that can not be asked is an error, never an empty site', async (t) => {
  await t.throwsAsync(listRepositories({ url: 'http://127.0.0.1:1' }), { code: 'REGISTRY_UNREACHABLE' });
});

test('repository paths are read as original names', (t) => {
  t.deepEqual(nameOfRepository('ghcr.io/a/b'), { host: 'ghcr.io', repository: 'a/b' });
  t.deepEqual(nameOfRepository('team/app'), {
    host: 'registry.sealift-system.svc.cluster.local',
    repository: 'team/app',
  });
  t.deepEqual(nameOfRepository('app'), { host: 'registry.sealift-system.svc.cluster.local', repository: 'app' });
});

test('what changed is published, what did not is not', async (t) => {
  const { pushSigned, publisher, scan, tuf } = await siteWorld(t);
  await pushSigned('v1');
  t.is((await publisher.publish(await scan.scan()))?.timestampVersion, 2);
  t.is(await publisher.publish(await scan.scan()), undefined);
  tuf.clock.advance(600_000);
  t.is(await publisher.publish(await scan.scan()), undefined);
  await pushSigned('v2');
  t.is((await publisher.publish(await scan.scan()))?.timestampVersion, 3);
});

test("the rest of the site's state stays as it is", async (t) => {
  const { pushSigned, publishState, tuf } = await siteWorld(t);
  await tuf.siteState({ 'site-state/checkpoints.json': '{"kept":true}' });
  await pushSigned('v1');
  await publishState();
  t.deepEqual([...roleIn(await loadRepository(tuf.store), 'site-state').targets.keys()].sort(), [
    'site-state/checkpoints.json',
    'site-state/evidence-index.json',
  ]);
});

test('an empty registry does not wipe what was published', async (t) => {
  const { pushSigned, publishState, publisher, tuf } = await siteWorld(t);
  await pushSigned('v1');
  await publishState();
  t.is(await publisher.publish({ schemaVersion: 1, images: {}, tags: {} }), undefined);
  t.is((await loadRepository(tuf.store)).timestamp.version, 2);
});

test('a publisher that was overtaken tries again with the next scan', async (t) => {
  const { pushSigned, publisher, scan, tuf } = await siteWorld(t);
  await pushSigned('v1');
  const index = await scan.scan();
  const { store } = tuf;
  const publish = store.publish.bind(store);
  store.publish = async (files, expected) => {
    store.publish = publish;
    await tuf.siteState({ 'site-state/checkpoints.json': '{}' });
    await publish(files, expected);
  };
  t.is(await publisher.publish(index), undefined);
  t.is((await publisher.publish(index))?.timestampVersion, 3);
});
