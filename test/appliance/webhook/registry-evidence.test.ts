import test, { type ExecutionContext } from 'ava';

import { clockAt } from '../../../appliance/kernel/clock.ts';
import { parseImageReference } from '../../../appliance/kernel/image-reference.ts';
import { EVIDENCE_LIMITS } from '../../../appliance/verification/evidence.ts';
import { registryEvidence } from '../../../appliance/webhook/registry-evidence.ts';
import { siteRegistry } from '../../../appliance/webhook/site-registry.ts';
import { type MemoryRegistryOptions, memoryRegistry, serveOnLoopback } from '../../../mirror/memory-registry.ts';
import { registryClient } from '../../../mirror/registry-client.ts';
import { imageOf, push, referrerOf, schemeTag } from '../../mirror/support/images.ts';
import { testDigest } from './support/worlds.ts';

const OWN = 'registry.sealift-system.svc.cluster.local';
const clock = clockAt('2026-01-01T00:00:00Z');

/** A site's registry that holds one signed image as `ghcr.io/team/app:v1` and as the registry's own `team/app:v1`. */
async function world(t: ExecutionContext, options: MemoryRegistryOptions = {}) {
  const { origin, close } = await memoryRegistry(options).listen();
  t.teardown(close);
  const writer = registryClient({ mirrors: { '*': origin, own: origin } });
  t.teardown(async () => await writer.close());
  const image = imageOf('layer');
  const { descriptor } = image.manifest;
  for (const name of [
    { host: 'ghcr.io', repository: 'team/app' },
    { host: 'own', repository: 'team/app' },
  ]) {
    const repository = writer.repository(name);
    await push(repository, image, 'v1');
    await push(repository, referrerOf(descriptor, '{"bundle":1}'));
    if (options.referrersApi === false) continue;
    await push(repository, imageOf('x'), schemeTag(descriptor.digest, 'att'));
  }
  const registry = siteRegistry({ url: new URL(origin), ownNames: [OWN], clock });
  t.teardown(async () => await registry.close());
  return { origin, registry, digest: descriptor.digest, writer };
}

test("a tag is resolved under the original name and under the registry's own", async (t) => {
  const { registry, digest } = await world(t);
  t.is(await registry.digestOf(parseImageReference('ghcr.io/team/app:v1')), digest);
  t.is(await registry.digestOf(parseImageReference(`${OWN}/team/app:v1`)), digest);
});

test('a tag that is not there is DIGEST_UNRESOLVED', async (t) => {
  const { registry } = await world(t);
  await t.throwsAsync(registry.digestOf(parseImageReference('ghcr.io/team/app:v2')), { code: 'DIGEST_UNRESOLVED' });
});

test('evidence is read, with its bytes', async (t) => {
  const { registry, digest } = await world(t);
  const found = await registryEvidence(registry).evidenceFor({ name: 'ghcr.io/team/app', digest });
  const referrer = found.find(({ source }) => source === 'referrer');
  t.is(referrer?.layers[0]?.bytes.toString(), '{"bundle":1}');
  t.true(found.some(({ source, suffix }) => source === 'tag' && suffix === 'att'));
});

test('an image that the registry does not hold is EVIDENCE_UNAVAILABLE', async (t) => {
  const { registry } = await world(t);
  const image = { name: 'ghcr.io/team/app', digest: testDigest('never pushed') };
  await t.throwsAsync(registryEvidence(registry).evidenceFor(image), { code: 'EVIDENCE_UNAVAILABLE' });
});

test('a registry that does not answer is EVIDENCE_UNAVAILABLE', async (t) => {
  const { origin, close } = await memoryRegistry().listen();
  await close();
  const registry = siteRegistry({ url: new URL(origin), ownNames: [], clock });
  const image = { name: 'ghcr.io/team/app', digest: testDigest('x') };
  await t.throwsAsync(registryEvidence(registry).evidenceFor(image), { code: 'EVIDENCE_UNAVAILABLE' });
  await registry.close();
});

test('a registry that never ends its answer is EVIDENCE_UNAVAILABLE in time', async (t) => {
  const { origin, close } = await serveOnLoopback(() => undefined);
  t.teardown(close);
  const registry = siteRegistry({ url: new URL(origin), ownNames: [], clock, lookupMs: 50 });
  t.teardown(async () => await registry.close());
  const image = { name: 'ghcr.io/team/app', digest: testDigest('x') };
  await t.throwsAsync(registryEvidence(registry).evidenceFor(image), { code: 'EVIDENCE_UNAVAILABLE' });
});

for (const [what, respond] of [
  ['a redirect', (elsewhere: string) => ({ status: 307, headers: { location: `${elsewhere}/v2/x` } })],
  [
    'a token realm',
    (elsewhere: string) => ({ status: 401, headers: { 'www-authenticate': `Bearer realm="${elsewhere}/token"` } }),
  ],
] as const) {
  test(`${what} to another address is not followed`, async (t) => {
    let asked = 0;
    const other = await serveOnLoopback((_request, response) => {
      asked += 1;
      response.end();
    });
    t.teardown(other.close);
    const { origin, close } = await serveOnLoopback((_request, response) => {
      const { status, headers } = respond(other.origin);
      response.writeHead(status, headers).end();
    });
    t.teardown(close);
    const registry = siteRegistry({ url: new URL(origin), ownNames: [], clock });
    t.teardown(async () => await registry.close());
    await t.throwsAsync(registry.digestOf(parseImageReference('ghcr.io/a/b:1')));
    t.is(asked, 0);
  });
}

test('more evidence than is looked through is EVIDENCE_TOO_LARGE, after a bounded number of requests', async (t) => {
  const requests: string[] = [];
  const { registry, digest, writer } = await world(t, { onRequest: ({ path }) => requests.push(path) });
  const repository = writer.repository({ host: 'ghcr.io', repository: 'team/app' });
  const subject = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: 1 };
  for (let n = 0; n < 20; n += 1) await push(repository, referrerOf(subject, `{"spam":${n}}`));
  requests.length = 0;
  const limits = { ...EVIDENCE_LIMITS, maxDocuments: 2 };
  const image = { name: 'ghcr.io/team/app', digest };
  await t.throwsAsync(registryEvidence(registry, limits).evidenceFor(image), { code: 'EVIDENCE_TOO_LARGE' });
  t.true(requests.length < 14, String(requests.length));
});
