import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

import test from 'ava';
import { load } from 'js-yaml';
import { trustDomains } from '../../../appliance/verification/trust-domains.ts';
import { parseTrustRootObject } from '../../../appliance/verification/trust-root-object.ts';
import { DEVELOPER, IMAGE, judge, outcomeOf, policyDocument } from '../../support/judge.ts';
import { pemOf } from '../../support/sigstore/entry-bodies.ts';
import { newTimestampAuthority } from '../../support/sigstore/timestamp-authority.ts';
import { type SigstoreWorld, sigstoreWorld } from '../../support/sigstore-world.ts';

const VECTOR = path.join(
  import.meta.dirname,
  '../../../../shared/vectors/policy-controller/trustroot/valid/valid-sigstore-keys.yaml',
);
const encoded = (pem: string): string => Buffer.from(pem).toString('base64');
const chainOf = (chain: readonly Buffer[]): string =>
  encoded(chain.map((certificate) => pemOf({ certificate })).join(''));

/** The world's keys as a TrustRoot of the cluster. */
function trustRootOf({ name, ca, rekorV1, tsa }: SigstoreWorld, spec?: object): object {
  const subject = { organization: name, commonName: name };
  const sigstoreKeys = {
    certificateAuthorities: [{ subject, uri: `https://fulcio.${name}`, certChain: chainOf(ca.chain) }],
    tLogs: [
      { baseURL: rekorV1.baseUrl, hashAlgorithm: 'sha-256', publicKey: encoded(pemOf({ spki: rekorV1.key.spki })) },
    ],
    ctLogs: [
      {
        baseURL: `https://ctfe.${name}`,
        hashAlgorithm: 'sha-256',
        publicKey: encoded(pemOf({ spki: ca.ctLogKey.spki })),
      },
    ],
    timestampAuthorities: [{ subject, uri: `https://tsa.${name}`, certChain: chainOf(tsa.chain) }],
  };
  return {
    apiVersion: 'policy.sigstore.dev/v1alpha1',
    kind: 'TrustRoot',
    metadata: { name: 'own-keys' },
    spec: spec ?? { sigstoreKeys },
  };
}

test('a TrustRoot with keys is a trust domain under its own name', async (t) => {
  const world = sigstoreWorld();
  const object = parseTrustRootObject(trustRootOf(world));
  if (object.kind !== 'keys') throw new Error('it has keys');
  const documents = [policyDocument([{ keyless: { identities: [DEVELOPER], trustRootRef: 'own-keys' } }])];
  const domains = trustDomains([object.domain]);
  t.is(
    outcomeOf(await judge(world, [world.signImage(IMAGE, { identity: DEVELOPER })], { documents, domains })),
    'admitted',
  );
});

test('a TrustRoot whose timestamp authority is for something else is refused by itself', (t) => {
  const world = sigstoreWorld();
  const tsa = newTimestampAuthority('careless', world.clock, 'codeSigning');
  t.throws(() => parseTrustRootObject(trustRootOf({ ...world, tsa })), { code: 'TRUST_ROOT_INVALID' });
});

test('what the TUF chain vouches for comes before a TrustRoot of the same name', async (t) => {
  const [world, imposter] = [sigstoreWorld(), sigstoreWorld()];
  const object = parseTrustRootObject({ ...trustRootOf(imposter), metadata: { name: world.name } });
  if (object.kind !== 'keys') throw new Error('it has keys');
  const domains = trustDomains([world.domain(), object.domain], { defaultName: world.name });
  t.is(outcomeOf(await judge(world, [world.signImage(IMAGE, { identity: DEVELOPER })], { domains })), 'admitted');
  t.not(outcomeOf(await judge(world, [imposter.signImage(IMAGE, { identity: DEVELOPER })], { domains })), 'admitted');
});

test('a TrustRoot with a TUF repository only names a domain', (t) => {
  const remote = { root: encoded('{}'), mirror: 'https://tuf.example' };
  t.deepEqual(parseTrustRootObject(trustRootOf(sigstoreWorld(), { remote })), { kind: 'tuf', name: 'own-keys' });
});

for (const [what, spec] of [
  ['neither keys nor repository', {}],
  ['both', { remote: { root: 'e30=', mirror: 'x' }, sigstoreKeys: {} }],
  ['an unknown field', { sigstoreKeys: { tlogs: [] } }],
  [
    'a key that is none',
    { sigstoreKeys: { tLogs: [{ baseURL: 'https://a.example', hashAlgorithm: 'sha-256', publicKey: 'AAAA' }] } },
  ],
] as const) {
  test(`a TrustRoot with ${what} is refused`, (t) => {
    t.throws(() => parseTrustRootObject(trustRootOf(sigstoreWorld(), spec)), { code: 'TRUST_ROOT_INVALID' });
  });
}

if (existsSync(VECTOR)) {
  test("upstream's example is taken", (t) => {
    const object = parseTrustRootObject(load(readFileSync(VECTOR, 'utf8')));
    t.like(object, { kind: 'keys', name: 'bring-your-own-sigstore-keys' });
    if (object.kind === 'keys') t.notThrows(() => trustDomains([object.domain]));
  });
}
