import test from 'ava';

import { readGeneration } from '../../../appliance/webhook/generation-contents.ts';
import type { VerifiedGeneration } from '../../../trust-root/generation.ts';
import { sigstoreWorld } from '../../support/sigstore-world.ts';

const TRUSTED_ROOT = JSON.stringify(sigstoreWorld({ name: 'sigstore.dev' }).trustedRoot());
const CAPTURED = '2026-01-01T00:00:00Z';

/** A generation, taken as verified, that holds these targets. */
function holding(targets: Readonly<Record<string, string>>, capturedAt: unknown = CAPTURED): VerifiedGeneration {
  return {
    number: 1,
    versions: {},
    signedAt: new Date(CAPTURED),
    expiries: [],
    targetNames: () => Object.keys(targets),
    target: async (name) => Buffer.from(targets[name] ?? ''),
    targetCustom: () => ({ capturedAt }),
  };
}

function rules(domains: object): string {
  return JSON.stringify({ schemaVersion: 1, domains });
}

const UPSTREAM = { 'upstream/sigstore.dev/trusted_root.json': TRUSTED_ROOT };

test('a generation without anything holds nothing', async (t) => {
  const contents = await readGeneration(holding({}));
  t.like(contents, { domains: [], staleness: {}, floorPolicies: [] });
  t.deepEqual(contents.index.images, {});
});

test('rules on the age of domains are read', async (t) => {
  const domains = { 'sigstore.dev': { maxAgeDays: 90, onStale: 'deny' } };
  const { staleness } = await readGeneration(holding({ ...UPSTREAM, 'staleness.json': rules(domains) }));
  t.deepEqual(staleness, domains as object);
});

test('a rule for a domain that the site does not hold stands by', async (t) => {
  const domains = { 'other.dev': { maxAgeDays: 90, onStale: 'warn' } };
  await t.notThrowsAsync(readGeneration(holding({ ...UPSTREAM, 'staleness.json': rules(domains) }, undefined)));
});

for (const [name, text] of [
  ['policies.json', '{"schemaVersion":1}'],
  ['policies.json', '{"schemaVersion":1,"policies":[{}]}'],
  ['staleness.json', ''],
  ['staleness.json', '{"schemaVersion":1,"domains":{"sigstore.dev":{"maxAgeDays":90,"onStale":"forgive"}}}'],
  ['site-state/evidence-index.json', '{}'],
  ['trusted_root.json', '{}'],
] as const) {
  test(`${name} that can't be followed refuses the generation: ${text}`, async (t) => {
    await t.throwsAsync(readGeneration(holding({ [name]: text })));
  });
}

for (const capturedAt of [undefined, 'yesterday', 42]) {
  test(`a rule for a domain whose capture is told as ${String(capturedAt)} refuses the generation`, async (t) => {
    const targets = { ...UPSTREAM, 'staleness.json': rules({ 'sigstore.dev': { maxAgeDays: 90, onStale: 'warn' } }) };
    await t.throwsAsync(readGeneration({ ...holding(targets), targetCustom: () => ({ capturedAt }) }), {
      code: 'TRUST_ROOT_INVALID',
      message: /does not say when it was captured/,
    });
  });
}
