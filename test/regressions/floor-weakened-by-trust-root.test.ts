// A policy that is published through TUF is a floor that the cluster can't weaken. Where the TUF chain did not hold the
// trust domain that it names (an upstream delegation that has expired, say), a TrustRoot of the cluster of that name, or
// with a CA at that host, stood in for it.

import test from 'ava';

import { parsePolicy } from '../../appliance/verification/policy.ts';
import { policySet } from '../../appliance/verification/policy-set.ts';
import { trustDomains } from '../../appliance/verification/trust-domains.ts';
import { DEVELOPER, IMAGE, judge, keyless, outcomeOf, policyDocument } from '../support/judge.ts';
import { sigstoreWorld } from '../support/sigstore-world.ts';

const IMPOSTOR = sigstoreWorld({ name: 'sigstore.dev' });
const signed = IMPOSTOR.signImage(IMAGE, { identity: DEVELOPER });
const floorDomains = trustDomains([]);
const domains = trustDomains([IMPOSTOR.domain()]);

for (const [how, more] of [
  ['by its name', { trustRootRef: 'sigstore.dev' }],
  ["by its CA's host", { url: 'https://fulcio.sigstore.dev' }],
  ['by default', {}],
] as const) {
  const authority = { keyless: { identities: [DEVELOPER], ...more } };
  const policy = parsePolicy(policyDocument([authority]));

  test(`a floor policy that names a domain ${how} is not satisfied by the cluster's`, async (t) => {
    const policies = policySet([], { floor: [policy] });
    t.is(outcomeOf(await judge(IMPOSTOR, [signed], { policies, domains, floorDomains })), 'TRUST_DOMAIN_UNKNOWN');
  });

  test(`a policy of the cluster that names a domain ${how} is`, async (t) => {
    const policies = policySet([policy]);
    t.is(outcomeOf(await judge(IMPOSTOR, [signed], { policies, domains, floorDomains })), 'admitted');
  });
}

test('a floor policy is satisfied by what the TUF chain holds', async (t) => {
  const policies = policySet([], { floor: [parsePolicy(policyDocument([keyless()]))] });
  t.is(outcomeOf(await judge(IMPOSTOR, [signed], { policies, domains, floorDomains: domains })), 'admitted');
});
