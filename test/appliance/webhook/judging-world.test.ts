import test from 'ava';

import { clockAt } from '../../../appliance/kernel/clock.ts';
import { parseImageReference } from '../../../appliance/kernel/image-reference.ts';
import { matchingPolicies } from '../../../appliance/verification/match-policy.ts';
import { parsePolicy } from '../../../appliance/verification/policy.ts';
import { policySet } from '../../../appliance/verification/policy-set.ts';
import { NO_SECRET_KEYS, type SecretKeys } from '../../../appliance/verification/secret-keys.ts';
import { trustDomains } from '../../../appliance/verification/trust-domains.ts';
import type { Verdict } from '../../../appliance/verification/verdict.ts';
import { judgingWorld, type WorldParts } from '../../../appliance/webhook/judging-world.ts';
import { ENFORCE_EVERYWHERE } from '../../../appliance/webhook/namespace-modes.ts';
import { VerdictCache } from '../../../appliance/webhook/verdict-cache.ts';
import type { VerifiedGeneration } from '../../../trust-root/generation.ts';
import { testDigest, verdictOf } from './support/worlds.ts';

const START = new Date('2026-01-01T00:00:00Z');
const LATER = new Date('2026-02-01T00:00:00Z');
const DIGEST = testDigest('image');
const WORKLOAD = { group: '', version: 'v1', resource: 'pods', labels: {} };

function generation(
  number: number,
  expiries: VerifiedGeneration['expiries'] = [{ role: 'timestamp', expires: LATER }],
) {
  return {
    number,
    versions: {},
    signedAt: START,
    expiries,
    targetNames: () => [],
    target: async () => Buffer.alloc(0),
    targetCustom: () => ({}),
  };
}

const POLICY = { apiVersion: 'policy.sigstore.dev/v1beta1', kind: 'ClusterImagePolicy' };

const policy = (name: string, glob = '**', match: object[] = []) =>
  parsePolicy({
    ...POLICY,
    metadata: { name },
    spec: { images: [{ glob }], authorities: [{ static: { action: 'pass' } }], match },
  });

type Change = Partial<WorldParts> & { labels?: Record<string, string> };

/** A world whose verifier counts, and reads the image's evidence. */
function world(parts: Partial<WorldParts> = {}) {
  const clock = clockAt(START);
  const state = { verified: 0, registryReads: 0 };
  const cache = new VerdictCache<Verdict>({ maxEntries: 100, maxBytes: 1_000_000 }, clock);
  const common: WorldParts = {
    generation: generation(1),
    index: {
      schemaVersion: 1,
      images: { [DIGEST]: { mediaType: 'application/json', repositories: [], children: [], evidence: [] } },
      tags: { 'ghcr.io/a/b:v1': DIGEST },
    },
    syncedEvidence: { evidenceFor: async () => [] },
    domains: trustDomains([]),
    floorDomains: trustDomains([]),
    policies: policySet([policy('all')]),
    secretKeys: NO_SECRET_KEYS,
    modes: ENFORCE_EVERYWHERE,
    registry: {
      digestOf: async () => testDigest('from the registry'),
      evidence: {
        evidenceFor: async () => {
          state.registryReads += 1;
          return [];
        },
      },
    },
    cache,
    verify: async (image, inputs) => {
      state.verified += 1;
      await inputs.evidence.evidenceFor(image);
      return verdictOf('admitted');
    },
    clock,
    ...parts,
  };
  const judge = async (text: string, digest = DIGEST, { labels = {}, ...change }: Change = {}) =>
    await judgingWorld({ ...common, ...change }).judge({
      reference: parseImageReference(text),
      digest,
      workload: { ...WORKLOAD, labels },
    });
  return { clock, state, judge, world: judgingWorld(common), common };
}

test('a verdict is reached once for an image, whatever tag it came under', async (t) => {
  const { judge, state } = world();
  await judge('ghcr.io/a/b:v1');
  await judge('ghcr.io/a/b:v2');
  await judge(`ghcr.io/a/b@${DIGEST}`);
  t.is(state.verified, 1);
});

test('another name, digest, generation or policy is another verdict', async (t) => {
  const { judge, state } = world();
  await judge('ghcr.io/a/b:v1');
  await judge('ghcr.io/a/c:v1');
  await judge('ghcr.io/a/b:v1', testDigest('other'));
  await judge('ghcr.io/a/b:v1', DIGEST, { generation: generation(2) });
  await judge('ghcr.io/a/b:v1', DIGEST, { policies: policySet([policy('all', 'ghcr.io/**')]) });
  await judge('ghcr.io/a/b:v1', DIGEST, { policies: policySet([policy('all')], { noMatch: 'warn' }) });
  t.is(state.verified, 6);
});

test('a policy that does not match the image leaves its verdict alone', async (t) => {
  const { judge, state } = world();
  await judge('ghcr.io/a/b:v1');
  await judge('ghcr.io/a/b:v1', DIGEST, { policies: policySet([policy('all'), policy('other', 'quay.io/**')]) });
  t.is(state.verified, 1);
});

test('a changed key in a Secret is another verdict on the images of its policies, and on no other', async (t) => {
  const authorities = [{ key: { secretRef: { name: 'release' } } }];
  const keyed = parsePolicy({
    ...POLICY,
    metadata: { name: 'keyed' },
    spec: { images: [{ glob: 'quay.io/**' }], authorities },
  });
  const { judge, state } = world({ policies: policySet([policy('all'), keyed]) });
  const holding = (pem: string): { secretKeys: SecretKeys } => ({ secretKeys: () => ({ kind: 'key', pem }) });
  await judge('quay.io/a/b:v1', DIGEST, holding('one'));
  await judge('ghcr.io/a/b:v1', DIGEST, holding('one'));
  t.is(state.verified, 2);
  await judge('ghcr.io/a/b:v1', DIGEST, holding('two'));
  t.is(state.verified, 2);
  await judge('quay.io/a/b:v1', DIGEST, holding('two'));
  await judge('quay.io/a/b:v1');
  t.is(state.verified, 4);
  await judge('quay.io/a/b:v1', DIGEST, holding('one'));
  t.is(state.verified, 4);
});

test("labels count when a policy's match reads them", async (t) => {
  const match = [{ resource: 'pods', version: 'v1', selector: { matchLabels: { tier: 'front' } } }];
  const policies = policySet([policy('all'), policy('front', '**', match)]);
  t.is(matchingPolicies(policies.policies, 'ghcr.io/a/b', WORKLOAD).length, 1);
  const { judge, state } = world({ policies });
  await judge('ghcr.io/a/b:v1');
  await judge('ghcr.io/a/b:v1', DIGEST, { labels: { irrelevant: 'x' } });
  t.is(state.verified, 1);
  await judge('ghcr.io/a/b:v1', DIGEST, { labels: { tier: 'front' } });
  t.is(state.verified, 2);
});

test("a verdict on the registry's evidence is reached anew after ten seconds, one on synced evidence is not", async (t) => {
  const { judge, state, clock } = world();
  const unsynced = testDigest('unsynced');
  await judge('ghcr.io/a/b:v1', unsynced);
  await judge('ghcr.io/a/b:v1');
  clock.advance(9999);
  await judge('ghcr.io/a/b:v1', unsynced);
  t.is(state.registryReads, 1);
  clock.advance(1);
  await judge('ghcr.io/a/b:v1', unsynced);
  await judge('ghcr.io/a/b:v1');
  t.deepEqual(state, { verified: 3, registryReads: 2 });
});

test("a verdict's own validUntil is kept when it is earlier", async (t) => {
  const validUntil = new Date(START.getTime() + 1000);
  const { judge, clock, state } = world({
    verify: async () => {
      state.verified += 1;
      return verdictOf('admitted', { validUntil });
    },
  });
  await judge('ghcr.io/a/b:v1');
  await judge('ghcr.io/a/b:v1');
  t.is(state.verified, 1);
  clock.advance(1000);
  await judge('ghcr.io/a/b:v1');
  t.is(state.verified, 2);
});

test('could not decide is not remembered', async (t) => {
  const { judge, state } = world({
    verify: async () => {
      state.verified += 1;
      throw new Error('could not decide');
    },
  });
  await t.throwsAsync(judge('ghcr.io/a/b:v1'));
  await t.throwsAsync(judge('ghcr.io/a/b:v1'));
  t.is(state.verified, 2);
});

test('trust that has expired decides nothing, not even from the cache', async (t) => {
  const { judge, clock } = world();
  await judge('ghcr.io/a/b:v1');
  clock.set(LATER);
  await t.throwsAsync(judge('ghcr.io/a/b:v1'), { code: 'TRUST_EXPIRED', message: /timestamp expired/ });
});

test('an expired delegation takes only its own targets along', async (t) => {
  const expiries = [
    { role: 'upstream', expires: START },
    { role: 'timestamp', expires: LATER },
  ];
  const { judge } = world({ generation: generation(1, expiries) });
  t.is((await judge('ghcr.io/a/b:v1')).kind, 'admitted');
});

test('a digest stands for itself, a tag for what the index says, else for what the registry says', async (t) => {
  const { world: one, common } = world();
  const digestOf = async (text: string) => await one.digestOf(parseImageReference(text));
  t.is(await digestOf(`ghcr.io/a/b:v1@${testDigest('own')}`), testDigest('own'));
  t.is(await digestOf('ghcr.io/a/b:v1'), DIGEST);
  t.is(await digestOf('ghcr.io/a/b:v9'), testDigest('from the registry'));
  const alone = judgingWorld({ ...common, registry: undefined });
  await t.throwsAsync(alone.digestOf(parseImageReference('ghcr.io/a/b:v9')), { code: 'DIGEST_UNRESOLVED' });
});

/** Admits by the registry's evidence, not by what is synced. */
const signedSince = (): Partial<WorldParts> => ({
  verify: async (image, inputs) =>
    verdictOf((await inputs.evidence.evidenceFor(image)).length > 0 ? 'admitted' : 'denied'),
});
const oneDocument = async () => [
  {
    manifest: testDigest('sig'),
    mediaType: 'application/json',
    source: 'tag' as const,
    annotations: {},
    layers: [],
  },
];

test('an image signed on the site since the last sync is admitted by what the registry holds', async (t) => {
  const registry = { digestOf: async () => DIGEST, evidence: { evidenceFor: oneDocument } };
  const { judge } = world({ ...signedSince(), registry });
  t.is((await judge('ghcr.io/a/b:v1')).kind, 'admitted');
});

test('what is synced decides while the registry can not be asked; ten seconds later it is asked again', async (t) => {
  let asked = 0;
  const evidenceFor = async () => {
    asked += 1;
    if (asked === 1) throw new Error('no answer');
    return await oneDocument();
  };
  const { judge, clock } = world({
    ...signedSince(),
    registry: { digestOf: async () => DIGEST, evidence: { evidenceFor } },
  });
  t.is((await judge('ghcr.io/a/b:v1')).kind, 'denied');
  t.is((await judge('ghcr.io/a/b:v1')).kind, 'denied');
  t.is(asked, 1);
  clock.advance(10_000);
  t.is((await judge('ghcr.io/a/b:v1')).kind, 'admitted');
});

test('an image that is admitted by what is synced never leads to the registry', async (t) => {
  const { judge, state } = world();
  await judge('ghcr.io/a/b:v1');
  t.is(state.registryReads, 0);
});
