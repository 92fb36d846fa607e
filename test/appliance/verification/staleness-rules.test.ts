import test from 'ava';
import fc from 'fast-check';

import {
  describeStale,
  parseStalenessRules,
  type StalenessRule,
  serializeStalenessRules,
  staleFrom,
} from '../../../appliance/verification/staleness-rules.ts';

const bytes = (document: unknown): Buffer => Buffer.from(JSON.stringify(document));
const RULE: StalenessRule = { maxAgeDays: 90, onStale: 'deny' };

test('rules are read back as they were written, whatever their order', (t) => {
  const name = fc.stringMatching(/^[a-z]{1,8}\.[a-z]{2,5}$/);
  const rule = fc.record({ maxAgeDays: fc.integer({ min: 1, max: 36_500 }), onStale: fc.constantFrom('warn', 'deny') });
  fc.assert(
    fc.property(fc.dictionary(name, rule, { noNullPrototype: true }), (rules) => {
      const text = serializeStalenessRules(rules);
      t.deepEqual(parseStalenessRules(Buffer.from(text)), rules);
      t.is(serializeStalenessRules(Object.fromEntries(Object.entries(rules).reverse())), text);
    }),
    { numRuns: 50 },
  );
});

for (const [what, document, message] of [
  ['no object', [], /expected object/],
  ['another version', { schemaVersion: 2, domains: {} }, /schemaVersion/],
  ['an unknown field', { schemaVersion: 1, domains: {}, domain: {} }, /domain/],
  ['no domains', { schemaVersion: 1 }, /domains/],
  ['a rule with an unknown field', { schemaVersion: 1, domains: { 'a.dev': { ...RULE, grace: 1 } } }, /grace/],
  ['a rule without an age', { schemaVersion: 1, domains: { 'a.dev': { onStale: 'warn' } } }, /maxAgeDays/],
  ['an age of no days', { schemaVersion: 1, domains: { 'a.dev': { ...RULE, maxAgeDays: 0 } } }, /maxAgeDays/],
  ['an age that is no number', { schemaVersion: 1, domains: { 'a.dev': { ...RULE, maxAgeDays: '90' } } }, /maxAgeDays/],
  ['another consequence', { schemaVersion: 1, domains: { 'a.dev': { ...RULE, onStale: 'ignore' } } }, /onStale/],
  ['a rule for the site', { schemaVersion: 1, domains: { site: RULE } }, /upstream's trust domain/],
  ['a name that is none', { schemaVersion: 1, domains: { '../a': RULE } }, /upstream's trust domain/],
] as const) {
  test(`staleness.json with ${what} is refused`, (t) => {
    t.throws(() => parseStalenessRules(bytes(document)), { code: 'TRUST_ROOT_INVALID', message });
  });
}

test('staleness.json that is no JSON, or too long, is refused', (t) => {
  for (const junk of [Buffer.from('{'), Buffer.alloc(2 * 1024 * 1024, ' ')]) {
    t.throws(() => parseStalenessRules(junk), { code: 'TRUST_ROOT_INVALID' });
  }
});

test('trust is too old so many days after its capture', (t) => {
  const captured = new Date('2026-01-01T00:00:00Z');
  t.deepEqual(staleFrom(captured, { ...RULE, maxAgeDays: 31 }), new Date('2026-02-01T00:00:00Z'));
  t.regex(describeStale('sigstore.dev', captured, RULE), /sigstore\.dev was captured 2026-01-01T.* more than 90 days/);
});
