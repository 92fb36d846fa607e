// What lies in the registry decides what is in the evidence index. A repository name of 230 characters, or one image in
// more than 1024 repositories, made an index that nodes and webhook refuse, so that no new state reached them any more.

import test from 'ava';

import { digestOf } from '../../appliance/kernel/digest.ts';
import { fittingIndex } from '../../daemonset/fitting-index.ts';
import { SITE_REGISTRY } from '../../daemonset/hosts-toml.ts';
import { type EvidenceImage, parseEvidenceIndex, serializeEvidenceIndex } from '../../mirror/evidence-index.ts';
import { MEDIA } from '../../mirror/oci-types.ts';
import { agentWorld } from '../daemonset/agent-world.ts';
import { imageOf, push } from '../mirror/support/images.ts';

const APP = digestOf('app');
const OTHER = digestOf('other');

function image(more: Partial<EvidenceImage> = {}): EvidenceImage {
  return { mediaType: MEDIA.ociManifest, repositories: ['ghcr.io/acme/app'], children: [], evidence: [], ...more };
}

function evidenceOf(bytes: number): EvidenceImage['evidence'] {
  const manifest = { mediaType: MEDIA.ociManifest, digest: digestOf(`manifest ${bytes}`), size: 100 };
  const layer = { mediaType: MEDIA.sigstoreBundle, digest: digestOf(`layer ${bytes}`), size: bytes };
  return [{ source: 'referrer', manifest, blobs: [layer] }];
}

test('a repository with a long name does not keep a node from a new state', async (t) => {
  const world = await agentWorld(t);
  await world.pushSigned('v1');
  const long = world.client.repository({ host: SITE_REGISTRY, repository: 'a'.repeat(230) });
  await push(long, imageOf('with a long name'), 'v1');
  await world.publishState();
  const agent = world.newAgent();
  await agent.start();
  await agent.step();
  t.is(await world.said(), 'True Synced 2');
});

test('an image in very many repositories is listed with as many as can be read', (t) => {
  const repositories = Array.from({ length: 1100 }, (_, index) => `ghcr.io/acme/app-${index}`);
  const { index, left } = fittingIndex({ schemaVersion: 1, images: { [APP]: image({ repositories }) }, tags: {} });
  t.is(parseEvidenceIndex(serializeEvidenceIndex(index)).images[APP]?.repositories.length, 1024);
  t.deepEqual(left, []);
});

test('an image with more evidence than can be read is unknown, and so are its tags', (t) => {
  const [one] = evidenceOf(1);
  if (one === undefined) throw new Error('one piece of evidence is needed');
  const evidence = Array.from({ length: 4097 }, () => one);
  const tags = { 'ghcr.io/acme/app:v1': APP };
  const { index, left } = fittingIndex({ schemaVersion: 1, images: { [APP]: image({ evidence }) }, tags });
  t.deepEqual(index, { schemaVersion: 1, images: {}, tags: {} });
  t.deepEqual(left, [APP, 'ghcr.io/acme/app:v1']);
});

test('when all evidence is too much, the largest goes', (t) => {
  const images = { [APP]: image({ evidence: evidenceOf(600) }), [OTHER]: image({ evidence: evidenceOf(500) }) };
  const { index, left } = fittingIndex({ schemaVersion: 1, images, tags: {} }, { evidenceBytes: 1000 });
  t.deepEqual(Object.keys(index.images), [OTHER]);
  t.deepEqual(left, [APP]);
});

test('when the index is too long, what takes the most room goes', (t) => {
  const images = { [APP]: image({ children: [OTHER, OTHER, OTHER] }), [OTHER]: image() };
  const { index } = fittingIndex({ schemaVersion: 1, images, tags: {} }, { indexBytes: 500 });
  t.deepEqual(Object.keys(index.images), [OTHER]);
});
