import test from 'ava';

import { lintPolicy } from '../../../appliance/verification/lint-policy.ts';
import { parsePattern } from '../../../appliance/verification/pattern.ts';
import { parsePolicy } from '../../../appliance/verification/policy.ts';
import { DEVELOPER, keyless, policyDocument } from '../../support/judge.ts';

function refusal(document: unknown): string {
  try {
    parsePolicy(document);
    return 'taken';
  } catch (error) {
    return error instanceof Error ? error.message : '';
  }
}

test('a policy without a fault is taken', (t) => {
  t.is(refusal(policyDocument([keyless()])), 'taken');
});

for (const [what, document, expected] of [
  [
    'an unknown field of spec',
    policyDocument([keyless()], { spec: { modes: 'warn' } }),
    /unknown field\(s\): spec\.modes/,
  ],
  [
    'a misspelt field of an authority',
    policyDocument([{ keyless: { identites: [] } }]),
    /unknown field\(s\): spec\.authorities\[0\]\.keyless\.identites/,
  ],
  [
    'attestations beside authorities',
    policyDocument([keyless()], { spec: { attestations: [] } }),
    /spec\.attestations/,
  ],
  ['no object', 'x', /ClusterImagePolicy \(without a name\)/],
  ['another kind', { ...policyDocument([keyless()]), kind: 'Pod' }, /kind/],
  ['another version', { ...policyDocument([keyless()]), apiVersion: 'policy.sigstore.dev/v2' }, /apiVersion/],
  ['no images', policyDocument([keyless()], { spec: { images: [] } }), /missing field\(s\): spec\.images/],
  [
    'a level that is none',
    policyDocument([keyless()], { annotations: { 'sealift.dev/minimum-transparency': 'none' } }),
    /minimum-transparency/,
  ],
  [
    'issuer and pattern at once',
    policyDocument([{ keyless: { identities: [{ ...DEVELOPER, issuerRegExp: 'x' }] } }]),
    /got both: .*identities\[0\]\.issuer/,
  ],
  ['a static action that is none', policyDocument([{ static: { action: 'maybe' } }]), /invalid value: maybe/],
  [
    'a static authority with attestations',
    policyDocument([{ static: { action: 'pass' }, attestations: [{ name: 'a', predicateType: 'b' }] }]),
    /got both: .*static, .*attestations/,
  ],
  [
    'an attestation policy over a config file',
    policyDocument([
      keyless({
        attestations: [{ name: 'a', predicateType: 'b', policy: { type: 'cue', data: 'x', fetchConfigFile: true } }],
      }),
    ]),
    /must not set/,
  ],
  [
    'a URL that is none',
    policyDocument([keyless({ ctlog: { url: 'rekor' } })]),
    /invalid value: rekor: spec\.authorities\[0\]\.ctlog\.url/,
  ],
] as const) {
  test(`${what} is refused`, (t) => t.regex(refusal(document), expected));
}

test('every fault is named at once', (t) => {
  const message = refusal(policyDocument([{}, { static: {} }], { spec: { mode: 'x' } }));
  t.regex(message, /authorities\[0\].*authorities\[1\].*spec\.mode/);
});

test('equal policies have equal identities, others have not', (t) => {
  const one = parsePolicy(policyDocument([keyless()]));
  t.is(parsePolicy(policyDocument([keyless()])).identity, one.identity);
  t.not(parsePolicy(policyDocument([keyless()], { spec: { mode: 'warn' } })).identity, one.identity);
  const annotations = { 'sealift.dev/minimum-transparency': 'promised' };
  t.not(parsePolicy(policyDocument([keyless()], { annotations })).identity, one.identity);
});

test('a pattern that would take exponential time elsewhere is linear', (t) => {
  const pattern = parsePattern('^(a+)+$');
  const started = process.hrtime.bigint();
  t.false(pattern?.occursIn(`${'a'.repeat(5000)}b`));
  t.true(process.hrtime.bigint() - started < 2_000_000_000n);
});

for (const source of ['****', '(', '(?=x)', '\\1']) {
  test(`${source} is no RE2 pattern`, (t) => t.is(parsePattern(source), undefined));
}

for (const [what, document, expected] of [
  [
    'an unanchored pattern',
    policyDocument([{ keyless: { identities: [{ issuer: 'i', subjectRegExp: 'x' }] } }]),
    /matches anywhere/,
  ],
  [
    'a half anchored choice',
    policyDocument([{ keyless: { identities: [{ issuer: 'i', subjectRegExp: '^a|b$' }] } }]),
    /matches anywhere/,
  ],
  [
    'a glob with a tag',
    policyDocument([keyless()], { spec: { images: [{ glob: 'ghcr.io/a/b:v1' }] } }),
    /never matches/,
  ],
  [
    'a glob without a registry',
    policyDocument([keyless()], { spec: { images: [{ glob: 'team/app' }] } }),
    /names no registry/,
  ],
  [
    'a glob that goes on',
    policyDocument([keyless()], { spec: { images: [{ glob: 'ghcr.io/acme/app*' }] } }),
    /app-evil/,
  ],
  ['a key without a log', policyDocument([{ key: { secretRef: { name: 's' } } }]), /no transparency log/],
  ['a key service', policyDocument([{ key: { kms: 'gcpkms://x' } }]), /never passes/],
  [
    'a policy body',
    policyDocument([keyless()], { spec: { policy: { type: 'rego', data: 'x' } } }),
    /rego is not evaluated/,
  ],
  [
    "a Secret of another namespace than the policies' keys",
    policyDocument([{ key: { secretRef: { name: 'release', namespace: 'cosign-system' } } }]),
    /secretRef\.namespace: keys are read from sealift-policy-keys only/,
  ],
] as const) {
  test(`lint warns of ${what}`, (t) => t.regex(lintPolicy(parsePolicy(document)).join('\n'), expected));
}

test('lint has nothing to say about an exact policy', (t) => {
  t.deepEqual(lintPolicy(parsePolicy(policyDocument([keyless()]))), []);
});
