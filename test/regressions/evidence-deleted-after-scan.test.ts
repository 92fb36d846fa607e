// The registry deletes on request. Evidence that was published and is then gone kept every node that did not have it yet
// from every new state: the image could not be read whole any more, or its tags had not moved, so what was known last
// was published on, with the evidence that nobody can have.

import test from 'ava';

import { silentLog } from '../../appliance/kernel/log.ts';
import { listRepositories } from '../../daemonset/registry-catalog.ts';
import { FULL_SCAN_EVERY, SiteScan } from '../../daemonset/site-scan.ts';
import { MirrorError } from '../../mirror/mirror-error.ts';
import { agentWorld } from '../daemonset/agent-world.ts';
import { signatureBlob, siteWorld } from '../daemonset/site-world.ts';
import { imageOf, manifestOf, push, schemeTag } from '../mirror/support/images.ts';

test('a node takes a state after listed evidence was deleted', async (t) => {
  const world = await agentWorld(t);
  const image = imageOf('app');
  await push(world.app, image, 'v1');
  const { digest } = image.manifest.descriptor;
  const signature = imageOf('a signature');
  await push(world.app, signature);
  const list = { schemaVersion: 2, manifests: [signature.manifest.descriptor] };
  await world.app.putManifest(schemeTag(digest), manifestOf(list, 'application/vnd.oci.image.index.v1+json'));
  t.is((await world.scan.scan()).images[digest]?.evidence.length, 1);
  await world.app.deleteManifest(signature.manifest.descriptor.digest);
  await world.publishState();
  const agent = world.newAgent();
  await agent.start();
  await agent.step();
  t.is(await world.said(), 'True Synced 2');
});

test('a registry that stops answering in the middle of a scan loses nothing', async (t) => {
  const { client, pushSigned, registry } = await siteWorld(t);
  const digest = await pushSigned('v1');
  let isAway = false;
  const away = async (): Promise<never> => await Promise.reject(new MirrorError('REGISTRY_UNREACHABLE', 'away'));
  const scan = new SiteScan({
    registry: {
      ...client,
      repository: (name) => {
        const repository = client.repository(name);
        return isAway ? { ...repository, manifest: away, hasManifest: away, blobSize: away } : repository;
      },
    },
    catalog: async () => await listRepositories({ url: registry.origin }),
    log: silentLog,
  });
  const before = await scan.scan();
  isAway = true;
  t.deepEqual((await scan.scan()).images[digest], before.images[digest]);
});

test('evidence whose content was deleted under unmoved tags is left out before long', async (t) => {
  const { pushSigned, registry, scan } = await siteWorld(t, { referrersApi: false });
  const digest = await pushSigned('v1');
  t.is((await scan.scan()).images[digest]?.evidence.length, 1);
  await fetch(`${registry.origin}/v2/ghcr.io/acme/app/blobs/${signatureBlob('v1')}`, { method: 'DELETE' });
  let index = await scan.scan();
  for (let scans = 0; scans < FULL_SCAN_EVERY; scans += 1) index = await scan.scan();
  t.deepEqual(index.images[digest]?.evidence, []);
});
