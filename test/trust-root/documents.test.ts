import { createHash } from 'node:crypto';

import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toTrustMaterial } from '@sigstore/verify';
import test from 'ava';

import { generateKey, publicKeyDer } from '../../trust-root/keys.ts';
import { writeClientTrustConfig, writeSigningConfig } from '../../trust-root/signing-config.ts';
import { siteTargets } from '../../trust-root/site-targets.ts';
import { logIdOf, writeTrustedRoot } from '../../trust-root/trusted-root.ts';
import { START } from './world/repository-world.ts';
import { endpoint, signingServices, siteTrust } from './world/site-trust.ts';

test('sigstore-js takes the trusted root', async (t) => {
  const root = TrustedRoot.fromJSON(JSON.parse(writeTrustedRoot(await siteTrust()).toString()));
  const material = toTrustMaterial(root);
  t.is(root.mediaType, 'application/vnd.dev.sigstore.trustedroot+json;version=0.1');
  t.is(material.tlogs.length, 1);
  t.is(material.certificateAuthorities.length, 1);
  t.is(material.timestampAuthorities.length, 1);
});

test('each log has its hash, its id, its DER key and a start', async (t) => {
  const written = await siteTrust();
  const document = JSON.parse(writeTrustedRoot(written).toString()) as { tlogs: Record<string, unknown>[] };
  const der = publicKeyDer(written.tlogs[0]?.publicKey ?? generateKey('p256'));
  t.like(document.tlogs[0], {
    baseUrl: 'https://rekor.site.example',
    hashAlgorithm: 'SHA2_256',
    logId: { keyId: createHash('sha256').update(der).digest('base64') },
    publicKey: {
      rawBytes: der.toString('base64'),
      keyDetails: 'PKIX_ECDSA_P256_SHA_256',
      validFor: { start: '2026-11-21T06:00:00.000Z' },
    },
  });
});

test("a tiled log's id is made of its origin and its key", (t) => {
  const publicKey = generateKey('ed25519');
  const raw = publicKeyDer(publicKey).subarray(-32);
  const expected = createHash('sha256')
    .update(Buffer.concat([Buffer.from('log.site.example\n'), Buffer.from([1]), raw]))
    .digest();
  t.deepEqual(logIdOf({ publicKey, tiledOrigin: 'log.site.example' }), expected);
});

test('retired instances stay, the oldest first', async (t) => {
  const base = await siteTrust();
  const retired = {
    baseUrl: 'https://rekor.site.example',
    publicKey: generateKey('p256'),
    period: { start: new Date('2025-01-01T00:00:00Z'), end: START },
  };
  const document = JSON.parse(writeTrustedRoot({ ...base, tlogs: [...base.tlogs, retired] }).toString()) as {
    tlogs: { publicKey: { validFor: object } }[];
  };
  t.deepEqual(
    document.tlogs.map(({ publicKey }) => publicKey.validFor),
    [{ start: '2025-01-01T00:00:00.000Z', end: '2026-11-21T06:00:00.000Z' }, { start: '2026-11-21T06:00:00.000Z' }],
  );
});

test('a chain in the wrong order is refused', async (t) => {
  const base = await siteTrust();
  const [tsa] = base.timestampAuthorities;
  const turned = tsa === undefined ? [] : [{ ...tsa, certificates: [...tsa.certificates].reverse() }];
  t.throws(() => writeTrustedRoot({ ...base, timestampAuthorities: turned }), { code: 'DOCUMENT_INVALID' });
});

test('the signing config names each service with its version, operator and start', (t) => {
  const document = JSON.parse(writeSigningConfig(signingServices).toString()) as Record<string, unknown>;
  t.like(document, {
    mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
    rekorTlogUrls: [
      {
        url: 'https://rekor.site.example',
        majorApiVersion: 1,
        operator: 'site.example',
        validFor: { start: START.toISOString() },
      },
    ],
    rekorTlogConfig: { selector: 'ANY' },
  });
});

test("a TSA's URL without its path is refused", (t) => {
  t.throws(() => writeSigningConfig({ ...signingServices, tsa: [endpoint('https://tsa.site.example')] }), {
    code: 'DOCUMENT_INVALID',
  });
});

test("the site's targets carry the documents and the legacy files with their usage", async (t) => {
  const targets = siteTargets({ trustedRoot: await siteTrust(), signingConfig: signingServices });
  t.deepEqual([...targets.keys()].sort(), [
    'anchors.json',
    'ctfe.pub',
    'fulcio_intermediate_v1.crt.pem',
    'fulcio_v1.crt.pem',
    'policies.json',
    'rekor.pub',
    'signing_config.v0.2.json',
    'trusted_root.json',
    'tsa.certchain.pem',
  ]);
  t.deepEqual(targets.get('rekor.pub')?.file.custom, {
    sigstore: { usage: 'Rekor', status: 'Active', uri: 'https://rekor.site.example' },
  });
  t.deepEqual(JSON.parse(targets.get('policies.json')?.bytes.toString() ?? ''), { schemaVersion: 1, policies: [] });
});

test('the client trust config holds both documents', async (t) => {
  const config = writeClientTrustConfig(writeTrustedRoot(await siteTrust()), writeSigningConfig(signingServices));
  t.like(JSON.parse(config.toString()), {
    mediaType: 'application/vnd.dev.sigstore.clienttrustconfig.v0.1+json',
    trustedRoot: { mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1' },
    signingConfig: { mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json' },
  });
});
