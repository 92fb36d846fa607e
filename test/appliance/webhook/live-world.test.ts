import test from 'ava';

import { clockAt } from '../../../appliance/kernel/clock.ts';
import { parsePolicy } from '../../../appliance/verification/policy.ts';
import { NO_SECRET_KEYS, type SecretKeys } from '../../../appliance/verification/secret-keys.ts';
import { trustDomains } from '../../../appliance/verification/trust-domains.ts';
import type { Verdict } from '../../../appliance/verification/verdict.ts';
import type { VerificationInputs } from '../../../appliance/verification/verification-inputs.ts';
import type { GenerationContents } from '../../../appliance/webhook/generation-contents.ts';
import { LiveWorld } from '../../../appliance/webhook/live-world.ts';
import { parseNamespaceModes } from '../../../appliance/webhook/namespace-modes.ts';
import { readImage } from '../../../appliance/webhook/read-image.ts';
import type { LoadedGeneration } from '../../../appliance/webhook/trust-source.ts';
import { VerdictCache } from '../../../appliance/webhook/verdict-cache.ts';
import { EMPTY_EVIDENCE_INDEX } from '../../../mirror/evidence-index.ts';
import { sigstoreWorld } from '../../support/sigstore-world.ts';
import { testDigest, verdictOf } from './support/worlds.ts';

const START = new Date('2026-01-01T00:00:00Z');
const HOUR = 3_600_000;

const policy = (name: string) =>
  parsePolicy({
    apiVersion: 'policy.sigstore.dev/v1beta1',
    kind: 'ClusterImagePolicy',
    metadata: { name },
    spec: { images: [{ glob: '**' }], authorities: [{ static: { action: 'pass' } }] },
  });

function loaded(number: number, contents: Partial<GenerationContents> = {}): LoadedGeneration<GenerationContents> {
  return {
    generation: {
      number,
      versions: {},
      signedAt: START,
      expiries: [{ role: 'timestamp', expires: new Date(START.getTime() + 24 * HOUR) }],
      targetNames: () => [],
      target: async () => Buffer.alloc(0),
      targetCustom: () => ({}),
    },
    contents: {
      domains: [],
      staleness: {},
      floorPolicies: [policy('floor')],
      index: EMPTY_EVIDENCE_INDEX,
      ...contents,
    },
  };
}

function world() {
  const clock = clockAt(START);
  const seen: VerificationInputs[] = [];
  const state = {
    trust: undefined as LoadedGeneration<GenerationContents> | undefined,
    synced: false,
    policies: [policy('cluster')],
    trustRoots: [] as GenerationContents['domains'],
    keysSettled: true,
    keys: NO_SECRET_KEYS,
  };
  const live = new LiveWorld({
    trust: { current: () => state.trust, fault: () => (state.trust === undefined ? 'no such file' : undefined) },
    policies: {
      isSynced: () => state.synced,
      policies: () => state.policies,
      trustRoots: () => state.trustRoots,
      modes: () => parseNamespaceModes({ _default: 'enforce' }),
      faults: () => [],
    },
    keys: { isSettled: () => state.keysSettled, lookup: () => state.keys, faults: () => [] },
    registry: undefined,
    cache: new VerdictCache<Verdict>({ maxEntries: 10, maxBytes: 100_000 }, clock),
    clock,
    verify: async (_image, inputs) => {
      seen.push(inputs);
      return verdictOf('admitted');
    },
    readSynced: () => ({ evidenceFor: async () => [] }),
  });
  const judge = async (): Promise<VerificationInputs | undefined> => {
    const reference = readImage('ghcr.io/a/b');
    const facts = { group: '', version: 'v1', resource: 'pods', labels: {} };
    await live.current().judge({ reference, digest: testDigest('a'), workload: facts });
    return seen.at(-1);
  };
  return { live, state, clock, judge, seen };
}

test('without trust, then without policies, there is no world', (t) => {
  const { live, state } = world();
  t.throws(() => live.current(), { code: 'NOT_READY', message: /no such file/ });
  t.false(live.readiness().ready);
  state.trust = loaded(12);
  t.throws(() => live.current(), { code: 'NOT_READY', message: /policies/ });
  t.false(live.readiness().ready);
  state.synced = true;
  t.is(live.current().generation, 12);
  t.true(live.readiness().ready);
});

test('floor policies and those of the cluster are both in force, the floor first', async (t) => {
  const { state, judge } = world();
  Object.assign(state, { trust: loaded(12), synced: true });
  t.deepEqual(
    (await judge())?.policies.policies.map(({ name }) => name),
    ['floor', 'cluster'],
  );
});

test('a policy of the cluster with the name of a floor policy does not replace it', async (t) => {
  const { state, judge } = world();
  Object.assign(state, { trust: loaded(12), synced: true, policies: [policy('floor')] });
  t.is((await judge())?.policies.policies.length, 2);
});

test('what the cluster trusts is nothing to the floor', async (t) => {
  const { state, judge } = world();
  const [vouched, other] = ['vouched.example', 'other.example'].map((name) => sigstoreWorld({ name }).domain());
  if (vouched === undefined || other === undefined) throw new Error('two domains are needed');
  Object.assign(state, { trust: loaded(12, { domains: [vouched] }), synced: true, trustRoots: [other] });
  const inputs = await judge();
  t.deepEqual(inputs?.domains.names, ['vouched.example', 'other.example']);
  t.deepEqual(inputs?.floorDomains?.names, ['vouched.example']);
});

test('the world stays the same until it is told of a change', (t) => {
  const { live, state } = world();
  Object.assign(state, { trust: loaded(12), synced: true });
  const before = live.current();
  t.is(live.current(), before);
  live.policiesChanged();
  t.not(live.current(), before);
});

test('without the keys of the policies there is no world', (t) => {
  const { live, state } = world();
  Object.assign(state, { trust: loaded(12), synced: true, keysSettled: false });
  t.throws(() => live.current(), { code: 'NOT_READY' });
  t.false(live.readiness().ready);
  state.keysSettled = true;
  t.true(live.readiness().ready);
});

test('verdicts are reached with the keys as they were when the world was made', async (t) => {
  const { live, state, judge } = world();
  const key: SecretKeys = () => ({ kind: 'key', pem: 'x' });
  Object.assign(state, { trust: loaded(12), synced: true, keys: key });
  t.is((await judge())?.secretKeys, key);
  state.keys = NO_SECRET_KEYS;
  live.trustChanged();
  t.is((await judge())?.secretKeys, NO_SECRET_KEYS);
});

test('another generation forgets the verdicts of the one before', async (t) => {
  const { live, state, judge, seen } = world();
  Object.assign(state, { trust: loaded(12), synced: true });
  await judge();
  await judge();
  t.is(seen.length, 1);
  state.trust = loaded(13);
  live.trustChanged();
  t.is(live.cache().entries, 0);
  await judge();
  t.is(seen.length, 2);
});

test("the chain's trust domain goes before a TrustRoot of the same name", async (t) => {
  const chain = sigstoreWorld({ name: 'site' }).domain();
  const other = sigstoreWorld({ name: 'site' }).domain();
  const { state, judge } = world();
  Object.assign(state, { trust: loaded(12, { domains: [chain] }), synced: true, trustRoots: [other] });
  const domains = (await judge())?.domains;
  t.is(domains?.identity, trustDomains([chain, other]).identity);
  t.deepEqual(domains?.names, ['site']);
});

test('verifiers are made once for the same trust', async (t) => {
  const { live, state, judge } = world();
  Object.assign(state, { trust: loaded(12), synced: true });
  const first = (await judge())?.domains;
  state.policies = [policy('another')];
  live.policiesChanged();
  t.is((await judge())?.domains, first);
});

const DAY = 24 * HOUR;
const RULES = { 'sigstore.dev': { maxAgeDays: 90, onStale: 'deny' as const } };

/** An upstream domain that was captured at the start, under {@link RULES}. */
function captured() {
  const domain = { ...sigstoreWorld({ name: 'sigstore.dev' }).domain(), staleness: { capturedAt: START } };
  return { domains: [domain], staleness: RULES };
}

test('the age that domains may have goes into verdicts, and a changed rule is another trust', async (t) => {
  const contents = captured();
  const { live, state, judge } = world();
  Object.assign(state, { trust: loaded(12, contents), synced: true });
  const first = (await judge())?.domains;
  t.is(first?.identity, trustDomains(contents.domains, { staleness: RULES }).identity);
  t.deepEqual(first?.get('sigstore.dev')?.staleness, RULES['sigstore.dev']);
  state.trust = loaded(13, { ...contents, staleness: {} });
  live.trustChanged();
  t.is((await judge())?.domains.get('sigstore.dev')?.staleness, undefined);
});

test('readiness tells how each domain stands with its age, and that one is too old is a fault', (t) => {
  const { live, state, clock } = world();
  const staleness = { ...RULES, 'absent.dev': { maxAgeDays: 1, onStale: 'warn' as const } };
  Object.assign(state, { trust: loaded(12, { ...captured(), staleness }), synced: true });
  const told = (): unknown => live.readiness().details['staleness'];
  const absent = {
    domain: 'absent.dev',
    maxAgeDays: 1,
    onStale: 'warn',
    capturedAt: null,
    staleFrom: null,
    isStale: false,
  };
  const present = {
    domain: 'sigstore.dev',
    maxAgeDays: 90,
    onStale: 'deny',
    capturedAt: START.toISOString(),
    staleFrom: new Date(START.getTime() + 90 * DAY).toISOString(),
  };
  clock.advance(90 * DAY - 1);
  t.deepEqual(told(), [absent, { ...present, isStale: false }]);
  t.deepEqual(live.readiness().details['faults'], []);
  clock.advance(1);
  t.deepEqual(told(), [absent, { ...present, isStale: true }]);
  t.is(live.faults(), 1);
  t.regex(JSON.stringify(live.readiness().details['faults']), /sigstore\.dev was captured/);
});

test('readiness tells generation, age and time left of the trust', (t) => {
  const { live, state, clock } = world();
  Object.assign(state, { trust: loaded(12), synced: true });
  clock.advance(2 * HOUR);
  t.like(live.readiness().details, {
    generation: 12,
    trustAgeSeconds: 7200,
    trustExpirySeconds: 22 * 3600,
    policies: 2,
    faults: [],
  });
});
