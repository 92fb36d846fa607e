import test from 'ava';

import { digestOf } from '../../../appliance/kernel/digest.ts';
import { explainVerdict } from '../../../appliance/verification/explain.ts';
import { parsePolicy } from '../../../appliance/verification/policy.ts';
import { policySet } from '../../../appliance/verification/policy-set.ts';
import type { SecretKeys } from '../../../appliance/verification/secret-keys.ts';
import { trustDomains } from '../../../appliance/verification/trust-domains.ts';
import type { Denied, Verdict } from '../../../appliance/verification/verdict.ts';
import { VerificationError } from '../../../appliance/verification/verification-error.ts';
import { DEVELOPER, IMAGE, judge, keyless, outcomeOf, policyDocument } from '../../support/judge.ts';
import { newKey } from '../../support/sigstore/certificate.ts';
import { pemOf } from '../../support/sigstore/entry-bodies.ts';
import { sigstoreWorld } from '../../support/sigstore-world.ts';

const PROVENANCE = 'https://slsa.dev/provenance/v1';
const STRANGER = { ...DEVELOPER, subject: 'stranger@example.com' };
const statement = { predicateType: PROVENANCE, predicate: { buildDefinition: {} } };
const wantsProvenance = (policy?: object) =>
  keyless({
    attestations: [{ name: 'provenance', predicateType: PROVENANCE, ...(policy === undefined ? {} : { policy }) }],
  });

function messageOf(verdict: Verdict): string {
  return verdict.kind === 'denied' ? (verdict.reasons[0]?.message ?? '') : 'admitted';
}

test('an image that no policy matches is denied', async (t) => {
  const verdict = await judge(sigstoreWorld(), [], { policies: policySet([]) });
  t.is(outcomeOf(verdict), 'NO_MATCHING_POLICY');
});

test('an image that no policy matches is admitted with a warning where the site says so', async (t) => {
  const verdict = await judge(sigstoreWorld(), [], { policies: policySet([], { noMatch: 'warn' }) });
  t.like(verdict, { kind: 'admitted', warnings: [{ code: 'NO_MATCHING_POLICY' }] });
});

test('an image without a signature is denied', async (t) => {
  const verdict = await judge(sigstoreWorld(), []);
  t.is(outcomeOf(verdict), 'NO_SIGNATURE');
  t.is(messageOf(verdict), `no signature was found for ${IMAGE.name}@${IMAGE.digest}`);
});

test('an image signed by somebody else is denied, and the reason says who and who was wanted', async (t) => {
  const world = sigstoreWorld();
  const verdict = await judge(world, [world.signImage(IMAGE, { identity: STRANGER })]);
  t.is(outcomeOf(verdict), 'IDENTITY_MISMATCH');
  t.regex(messageOf(verdict), /signed by "stranger@example.com" via .* but the policy wants "dev@example.com" via/);
});

test('a signature of somebody else does not hide a good one', async (t) => {
  const world = sigstoreWorld();
  const [foreign, good] = [STRANGER, DEVELOPER].map((identity) => world.signImage(IMAGE, { identity }));
  if (foreign === undefined || good === undefined) throw new Error('two signatures are needed');
  t.is(outcomeOf(await judge(world, [foreign, good])), 'admitted');
});

test('the reason of the signature that came furthest is told', async (t) => {
  const world = sigstoreWorld();
  const broken = world.signImage(IMAGE, {
    identity: DEVELOPER,
    forge: (bundle) => {
      bundle.dsseEnvelope.payloadType = 'text/plain';
    },
  });
  const foreign = world.signImage(IMAGE, { identity: STRANGER });
  t.is(outcomeOf(await judge(world, [broken, foreign])), 'IDENTITY_MISMATCH');
});

for (const [what, identity, expected] of [
  ['an exact subject is no pattern', { issuer: DEVELOPER.issuer, subject: 'dev@example.co.' }, 'IDENTITY_MISMATCH'],
  ['an exact subject is not a part', { issuer: DEVELOPER.issuer, subject: 'dev@example' }, 'IDENTITY_MISMATCH'],
  ['a pattern matches inside, as upstream has it', { issuer: DEVELOPER.issuer, subjectRegExp: 'example' }, 'admitted'],
  [
    'an anchored pattern matches all of it',
    { issuer: DEVELOPER.issuer, subjectRegExp: '^dev@example\\.com$' },
    'admitted',
  ],
  [
    'an anchored pattern does not match a part',
    { issuer: DEVELOPER.issuer, subjectRegExp: '^dev$' },
    'IDENTITY_MISMATCH',
  ],
  ['another issuer is refused', { issuer: 'https://other.example', subject: DEVELOPER.subject }, 'IDENTITY_MISMATCH'],
  ['an issuer pattern', { issuerRegExp: '^https://issuer\\.', subject: DEVELOPER.subject }, 'admitted'],
] as const) {
  test(`identity: ${what}`, async (t) => {
    const world = sigstoreWorld();
    const documents = [policyDocument([{ keyless: { identities: [identity] } }])];
    t.is(outcomeOf(await judge(world, [world.signImage(IMAGE, { identity: DEVELOPER })], { documents })), expected);
  });
}

test('of two identities one suffices', async (t) => {
  const world = sigstoreWorld();
  const documents = [policyDocument([{ keyless: { identities: [STRANGER, DEVELOPER] } }])];
  t.is(outcomeOf(await judge(world, [world.signImage(IMAGE, { identity: DEVELOPER })], { documents })), 'admitted');
});

test('of two authorities one suffices', async (t) => {
  const world = sigstoreWorld();
  const documents = [policyDocument([{ keyless: { identities: [STRANGER] } }, keyless()])];
  t.is(outcomeOf(await judge(world, [world.signImage(IMAGE, { identity: DEVELOPER })], { documents })), 'admitted');
});

test('two matching policies must both pass', async (t) => {
  const world = sigstoreWorld();
  const second = policyDocument([{ keyless: { identities: [STRANGER] } }], { name: 'second' });
  const verdict = await judge(world, [world.signImage(IMAGE, { identity: DEVELOPER })], {
    documents: [policyDocument([keyless()]), second],
  });
  t.like(verdict, { kind: 'denied', reasons: [{ code: 'IDENTITY_MISMATCH', policy: 'second' }] });
});

test('a policy in warn mode admits, and warns of what it would have refused', async (t) => {
  const documents = [policyDocument([keyless()], { spec: { mode: 'warn' } })];
  const verdict = await judge(sigstoreWorld(), [], { documents });
  t.like(verdict, { kind: 'admitted', warnings: [{ code: 'NO_SIGNATURE', policy: 'acme' }] });
});

test('a policy in warn mode does not weaken one that enforces', async (t) => {
  const documents = [
    policyDocument([keyless()]),
    policyDocument([keyless()], { name: 'soft', spec: { mode: 'warn' } }),
  ];
  t.is(outcomeOf(await judge(sigstoreWorld(), [], { documents })), 'NO_SIGNATURE');
});

test('a static authority passes or refuses without looking at evidence', async (t) => {
  const evidence = {
    evidenceFor: () => {
      throw new Error('evidence was asked for');
    },
  };
  const fixed = (action: string) => [policyDocument([{ static: { action, message: 'not here' } }])];
  t.is(outcomeOf(await judge(sigstoreWorld(), [], { documents: fixed('pass'), evidence })), 'admitted');
  const refused = await judge(sigstoreWorld(), [], { documents: fixed('fail'), evidence });
  t.like(refused, { kind: 'denied', reasons: [{ code: 'STATIC_FAIL', message: 'not here' }] });
});

test('an attestation of the wanted type is admitted, in both forms', async (t) => {
  const world = sigstoreWorld();
  const annotations = { 'sealift.dev/minimum-transparency': 'promised' };
  const documents = [policyDocument([wantsProvenance()], { annotations })];
  for (const format of ['bundle', 'legacy'] as const) {
    const attestation = world.attest(IMAGE, statement, { identity: DEVELOPER, format });
    t.is(outcomeOf(await judge(world, [attestation], { documents })), 'admitted');
  }
});

test('a signature, or an attestation of another type, is no wanted attestation', async (t) => {
  const world = sigstoreWorld();
  const documents = [policyDocument([wantsProvenance()])];
  const sbom = world.attest(
    IMAGE,
    { predicateType: 'https://spdx.dev/Document', predicate: {} },
    { identity: DEVELOPER },
  );
  const verdict = await judge(world, [world.signImage(IMAGE, { identity: DEVELOPER }), sbom], { documents });
  t.is(outcomeOf(verdict), 'ATTESTATION_MISSING');
});

test('of two wanted attestations both must be there', async (t) => {
  const world = sigstoreWorld();
  const both = keyless({
    attestations: [
      { name: 'provenance', predicateType: 'slsaprovenance1' },
      { name: 'sbom', predicateType: 'spdxjson' },
    ],
  });
  const provenance = world.attest(IMAGE, statement, { identity: DEVELOPER });
  const sbom = world.attest(
    IMAGE,
    { predicateType: 'https://spdx.dev/Document', predicate: {} },
    { identity: DEVELOPER },
  );
  const documents = [policyDocument([both])];
  t.is(outcomeOf(await judge(world, [provenance], { documents })), 'ATTESTATION_MISSING');
  t.is(outcomeOf(await judge(world, [provenance, sbom], { documents })), 'admitted');
});

test('a policy over an attestation in a language that is not evaluated is not satisfied', async (t) => {
  const world = sigstoreWorld();
  const attestation = world.attest(IMAGE, statement, { identity: DEVELOPER });
  for (const type of ['cue', 'rego']) {
    const documents = [policyDocument([wantsProvenance({ type, data: 'x' })])];
    t.is(outcomeOf(await judge(world, [attestation], { documents })), 'POLICY_LANGUAGE_UNSUPPORTED');
  }
});

test('a policy over authorities in a language that is not evaluated is not satisfied', async (t) => {
  const spec = { policy: { type: 'cue', data: 'x' } };
  const documents = [policyDocument([{ static: { action: 'pass' } }], { spec })];
  t.is(outcomeOf(await judge(sigstoreWorld(), [], { documents })), 'POLICY_LANGUAGE_UNSUPPORTED');
});

test('a key signs without a log, and with one where the policy names it', async (t) => {
  const world = sigstoreWorld();
  const key = newKey();
  const data = pemOf({ spki: key.spki });
  const signature = world.signImage(IMAGE, { key });
  for (const more of [{}, { ctlog: { url: `https://rekor.${world.name}` } }]) {
    const documents = [policyDocument([{ key: { data }, ...more }])];
    t.is(outcomeOf(await judge(world, [signature], { documents })), 'admitted');
  }
});

test('a key that did not sign is refused, whatever else signed', async (t) => {
  const world = sigstoreWorld();
  const documents = [policyDocument([{ key: { data: pemOf({ spki: newKey().spki }) } }])];
  const attached = [world.signImage(IMAGE, { key: newKey() }), world.signImage(IMAGE, { identity: DEVELOPER })];
  t.is(outcomeOf(await judge(world, attached, { documents })), 'UNTRUSTED_KEY');
});

test('a bare key is not enough where a certificate is wanted', async (t) => {
  const world = sigstoreWorld();
  t.is(outcomeOf(await judge(world, [world.signImage(IMAGE, { key: newKey() })])), 'UNTRUSTED_KEY');
});

test('a key comes from a Secret, and a missing Secret is said', async (t) => {
  const world = sigstoreWorld();
  const key = newKey();
  const signature = world.signImage(IMAGE, { key });
  const documents = [policyDocument([{ key: { secretRef: { name: 'release', namespace: 'keys' } } }])];
  t.is(outcomeOf(await judge(world, [signature], { documents })), 'KEY_UNAVAILABLE');
  const secretKeys: SecretKeys = ({ name, namespace }) =>
    name === 'release' && namespace === 'keys'
      ? { kind: 'key', pem: pemOf({ spki: key.spki }) }
      : { kind: 'none', why: 'nothing there' };
  t.is(outcomeOf(await judge(world, [signature], { documents, secretKeys })), 'admitted');
  const none: SecretKeys = () => ({ kind: 'none', why: 'the Secret has two entries' });
  const verdict = await judge(world, [signature], { documents, secretKeys: none });
  t.is(outcomeOf(verdict), 'KEY_UNAVAILABLE');
  t.regex(messageOf(verdict), /two entries/);
});

test('a key in a key service is refused with the reason', async (t) => {
  const documents = [policyDocument([{ key: { kms: 'hashivault://release' } }])];
  const verdict = await judge(sigstoreWorld(), [], { documents });
  t.is(outcomeOf(verdict), 'KEY_UNSUPPORTED');
  t.regex(messageOf(verdict), /disconnected/);
});

test('the trust domain is the one that the policy names', async (t) => {
  const site = sigstoreWorld({ name: 'site.example' });
  const upstream = sigstoreWorld({ name: 'upstream.example', clock: site.clock });
  const domains = trustDomains([site.domain(), upstream.domain()], { defaultName: site.name });
  const signature = upstream.signImage(IMAGE, { identity: DEVELOPER });
  const outcome = async (more: object) => {
    const documents = [policyDocument([{ keyless: { identities: [DEVELOPER], ...more } }])];
    return outcomeOf(await judge(site, [signature], { documents, domains }));
  };
  t.is(await outcome({ trustRootRef: 'upstream.example' }), 'admitted');
  t.is(await outcome({ url: 'https://fulcio.upstream.example' }), 'admitted');
  t.is(await outcome({ trustRootRef: 'site.example' }), 'UNTRUSTED_LOG');
  t.is(await outcome({}), 'UNTRUSTED_LOG');
  t.is(await outcome({ trustRootRef: 'nobody.example' }), 'TRUST_DOMAIN_UNKNOWN');
  t.is(await outcome({ url: 'https://fulcio.nobody.example' }), 'TRUST_DOMAIN_UNKNOWN');
});

test('an authority over two trust domains is refused', async (t) => {
  const world = sigstoreWorld();
  const mixed = {
    keyless: { identities: [DEVELOPER], trustRootRef: world.name },
    ctlog: { trustRootRef: 'other.example' },
  };
  const verdict = await judge(world, [world.signImage(IMAGE, { identity: DEVELOPER })], {
    documents: [policyDocument([mixed])],
  });
  t.is(outcomeOf(verdict), 'TRUST_DOMAIN_MIXED');
});

test('a timestamp stands in for the log where the policy names no log', async (t) => {
  const world = sigstoreWorld();
  const signature = world.signImage(IMAGE, {
    identity: DEVELOPER,
    log: 2,
    forge: (bundle) => {
      bundle.verificationMaterial.tlogEntries = [];
    },
  });
  t.is(outcomeOf(await judge(world, [signature])), 'LOG_ENTRY_MISSING');
  const documents = [policyDocument([keyless({ rfc3161timestamp: { trustRootRef: world.name } })])];
  t.is(outcomeOf(await judge(world, [signature], { documents })), 'admitted');
  const both = [policyDocument([keyless({ rfc3161timestamp: {}, ctlog: { trustRootRef: world.name } })])];
  t.is(outcomeOf(await judge(world, [signature], { documents: both })), 'LOG_ENTRY_MISSING');
});

test('an authority for one form does not look at the other', async (t) => {
  const world = sigstoreWorld();
  const documents = [policyDocument([keyless({ signatureFormat: 'legacy' })])];
  t.is(outcomeOf(await judge(world, [world.signImage(IMAGE, { identity: DEVELOPER })], { documents })), 'NO_SIGNATURE');
});

const DAY_MS = 24 * 60 * 60 * 1000;

test('captured trust that is too old is refused or warned of, and until then the verdict says how long it holds', async (t) => {
  const world = sigstoreWorld();
  const capturedAt = world.clock.now();
  const aged = { ...world.domain(), staleness: { capturedAt } };
  const signature = world.signImage(IMAGE, { identity: DEVELOPER });
  const under = async (onStale: 'warn' | 'deny') => {
    const staleness = { [world.name]: { maxAgeDays: 90, onStale } };
    return await judge(world, [signature], { domains: trustDomains([aged], { defaultName: world.name, staleness }) });
  };
  t.deepEqual((await under('deny')).validUntil, new Date(capturedAt.getTime() + 90 * DAY_MS));
  world.clock.advance(91 * DAY_MS);
  t.is(outcomeOf(await under('deny')), 'TRUST_STALE');
  t.like(await under('warn'), { kind: 'admitted', warnings: [{ code: 'TRUST_STALE' }] });
});

test('evidence that is not there is an error, and only a warning where policies only warn', async (t) => {
  const evidence = {
    evidenceFor: async () => {
      throw new VerificationError('EVIDENCE_UNAVAILABLE', 'nothing is known here');
    },
  };
  const error = await t.throwsAsync(judge(sigstoreWorld(), [], { evidence }));
  t.like(error, { code: 'EVIDENCE_UNAVAILABLE' });
  const world = sigstoreWorld();
  const documents = [policyDocument([keyless()], { spec: { mode: 'warn' } })];
  const verdict = await judge(world, [], { evidence, documents });
  t.like(verdict, { kind: 'admitted', warnings: [{ code: 'EVIDENCE_UNAVAILABLE' }] });
  t.deepEqual(verdict.validUntil, world.clock.now());
});

test('the floor stands beside the policies of the cluster', (t) => {
  const floor = parsePolicy(policyDocument([keyless()], { name: 'acme' }));
  const own = parsePolicy(policyDocument([{ static: { action: 'pass' } }], { name: 'acme' }));
  const set = policySet([own], { floor: [floor] });
  t.deepEqual(set.policies, [floor, own]);
});

test('a verdict rests on its policies, trust and evidence, and says so', async (t) => {
  const world = sigstoreWorld();
  const signature = world.signImage(IMAGE, { identity: DEVELOPER });
  const first = await judge(world, [signature]);
  t.deepEqual((await judge(world, [signature])).basis, first.basis);
  t.not((await judge(world, [])).basis.evidence, first.basis.evidence);
  t.not((await judge(sigstoreWorld(), [signature])).basis.trust, first.basis.trust);
  const documents = [policyDocument([keyless(), keyless()])];
  t.not((await judge(world, [signature], { documents })).basis.policies, first.basis.policies);
});

test('a verdict is told in lines', async (t) => {
  const world = sigstoreWorld();
  const admitted = await judge(world, [world.signImage(IMAGE, { identity: DEVELOPER })]);
  t.deepEqual(explainVerdict(admitted), [
    `${IMAGE.name}@${IMAGE.digest} is admitted`,
    '  policy acme: dev@example.com via https://issuer.example, log entry included',
  ]);
  const denied = (await judge(world, [])) as Denied;
  t.regex(
    explainVerdict(denied)[1] ?? '',
    /^ {2}NO_SIGNATURE: no signature was found .* \(policy acme, authority authority-0\)$/,
  );
});

test('another image with the same signature documents has its own verdict', async (t) => {
  const world = sigstoreWorld();
  const signature = world.signImage({ ...IMAGE, digest: digestOf('elsewhere') }, { identity: DEVELOPER });
  const verdict = await judge(world, [signature]);
  t.is(outcomeOf(verdict), 'DIGEST_MISMATCH');
  t.regex(messageOf(verdict), /the signature is for another image: sha256:/);
});
