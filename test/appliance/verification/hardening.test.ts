import { sign } from 'node:crypto';

import test from 'ava';

import { parseSigstoreBundle, signedContentOf } from '../../../appliance/verification/sigstore-bundle.ts';
import { sigstoreVerifier } from '../../../appliance/verification/sigstore-verifier.ts';
import { trustDomains } from '../../../appliance/verification/trust-domains.ts';
import { parseTrustedRoot } from '../../../appliance/verification/trust-material.ts';
import { DEVELOPER, IMAGE, judge, keyless, OTHER_IMAGE, outcomeOf, policyDocument } from '../../support/judge.ts';
import { newKey } from '../../support/sigstore/certificate.ts';
import { bodyV1, bodyV2 } from '../../support/sigstore/entry-bodies.ts';
import { newTimestampAuthority } from '../../support/sigstore/timestamp-authority.ts';
import { newTransparencyLog } from '../../support/sigstore/transparency-log.ts';
import {
  type BundleJson,
  type MadeSignature,
  type SignerOptions,
  sigstoreWorld,
} from '../../support/sigstore-world.ts';

// Each gap that the library leaves open (numbered as in docs/verification.md), with the sibling that is admitted.

type Forge = NonNullable<SignerOptions['forge']>;

/** The outcome for a signature that was forged like this after it was made. */
async function forged(forge: Forge, options: SignerOptions = {}, world = sigstoreWorld()): Promise<string> {
  const signature = world.signImage(IMAGE, { identity: DEVELOPER, ...options, forge });
  return outcomeOf(await judge(world, [signature]));
}

function firstEntry({ verificationMaterial }: BundleJson) {
  const [entry] = verificationMaterial.tlogEntries;
  if (entry === undefined) throw new Error('the bundle has no entry');
  return entry;
}

for (const log of [1, 2] as const) {
  test(`a signature in Rekor v${log} is admitted`, async (t) => {
    t.is(await forged(() => undefined, { log }), 'admitted');
  });

  test(`G1: a log entry for another key is refused (v${log})`, async (t) => {
    const world = sigstoreWorld();
    const stranger = { identity: { ...DEVELOPER, subject: 'stranger@example.com' }, log };
    const foreign = (bundle: BundleJson, { parts }: MadeSignature) => {
      const { certificate } = world.ca.issueTo(stranger.identity);
      const rekor = log === 1 ? world.rekorV1 : world.rekorV2;
      const body = (log === 1 ? bodyV1 : bodyV2)({ ...parts, verifier: { certificate } });
      bundle.verificationMaterial.tlogEntries = [rekor.add(body)];
    };
    t.is(await forged(foreign, { log }, world), 'LOG_ENTRY_MISMATCH');
  });

  test(`a log entry of another signature is refused (v${log})`, async (t) => {
    const world = sigstoreWorld();
    let other: BundleJson | undefined;
    world.signImage(OTHER_IMAGE, { identity: DEVELOPER, log, forge: (bundle) => (other = bundle) });
    const foreign = (bundle: BundleJson) => {
      bundle.verificationMaterial.tlogEntries = other?.verificationMaterial.tlogEntries ?? [];
    };
    t.is(await forged(foreign, { log }, world), 'LOG_ENTRY_MISMATCH');
  });

  test(`G2: a checkpoint of another origin is refused (v${log})`, async (t) => {
    const world = sigstoreWorld();
    const foreign = (bundle: BundleJson, { parts }: MadeSignature) => {
      const rekor = log === 1 ? world.rekorV1 : world.rekorV2;
      const body = (log === 1 ? bodyV1 : bodyV2)(parts);
      bundle.verificationMaterial.tlogEntries = [rekor.add(body, { origin: 'totally-other-log' })];
    };
    t.is(await forged(foreign, { log }, world), 'LOG_PROOF_INVALID');
  });

  test(`G2: a checkpoint signed under a part of the log's name is refused (v${log})`, async (t) => {
    const world = sigstoreWorld();
    const foreign = (bundle: BundleJson, { parts }: MadeSignature) => {
      const rekor = log === 1 ? world.rekorV1 : world.rekorV2;
      const body = (log === 1 ? bodyV1 : bodyV2)(parts);
      bundle.verificationMaterial.tlogEntries = [rekor.add(body, { signatureName: 'r' })];
    };
    t.is(await forged(foreign, { log }, world), 'LOG_PROOF_INVALID');
  });
}

for (const [what, validFor] of [
  ['starts later', { start: '2040-01-01T00:00:00Z' }],
  ['has ended', { start: '2001-01-01T00:00:00Z', end: '2002-01-01T00:00:00Z' }],
] as const) {
  test(`G3: a proof by a log whose key's validity ${what} is refused`, async (t) => {
    const world = sigstoreWorld();
    const root = world.trustedRoot();
    for (const { publicKey } of root.tlogs) publicKey.validFor = validFor;
    const signature = world.signImage(IMAGE, { identity: DEVELOPER, log: 2 });
    t.is(outcomeOf(await judge(world, [signature], { trustedRoot: root })), 'UNTRUSTED_LOG');
  });
}

test('G3: a log whose validity has no start spoils the trusted root', async (t) => {
  const world = sigstoreWorld();
  const root = world.trustedRoot();
  for (const { publicKey } of root.tlogs) publicKey.validFor = {};
  const signature = world.signImage(IMAGE, { identity: DEVELOPER });
  const error = await t.throwsAsync(judge(world, [signature], { trustedRoot: root }));
  t.like(error, { code: 'TRUST_ROOT_INVALID' });
});

test('G4: a log entry given twice is refused', async (t) => {
  const twice = (bundle: BundleJson) => {
    bundle.verificationMaterial.tlogEntries.push(firstEntry(bundle));
  };
  t.is(await forged(twice, { log: 2 }), 'LOG_PROOF_INVALID');
});

test('G5: a log that only promised is too little', async (t) => {
  const world = sigstoreWorld();
  const signature = world.signImage(IMAGE, { identity: DEVELOPER, format: 'legacy' });
  t.is(outcomeOf(await judge(world, [signature])), 'TRANSPARENCY_TOO_LOW');
});

test('G5: a log that only promised is enough where the policy says so', async (t) => {
  const world = sigstoreWorld();
  const signature = world.signImage(IMAGE, { identity: DEVELOPER, format: 'legacy' });
  const annotations = { 'sealift.dev/minimum-transparency': 'promised' };
  const documents = [policyDocument([keyless()], { annotations })];
  t.is(outcomeOf(await judge(world, [signature], { documents })), 'admitted');
});

test('G5: an entry with neither promise nor proof is refused', async (t) => {
  const bare = (bundle: BundleJson) => {
    const entry = firstEntry(bundle);
    delete entry.inclusionProof;
    delete entry.inclusionPromise;
  };
  t.is(await forged(bare, { timestamped: true }), 'SIGNATURE_MALFORMED');
});

test('G6: a signature of another image is refused', async (t) => {
  const world = sigstoreWorld();
  const signature = world.signImage(OTHER_IMAGE, { identity: DEVELOPER });
  t.is(outcomeOf(await judge(world, [signature])), 'DIGEST_MISMATCH');
});

test('G6: a legacy signature of another image is refused', async (t) => {
  const world = sigstoreWorld();
  const signature = world.signImage(OTHER_IMAGE, { identity: DEVELOPER, format: 'legacy' });
  t.is(outcomeOf(await judge(world, [signature])), 'DIGEST_MISMATCH');
});

test('G6: an envelope that is no in-toto statement is refused', async (t) => {
  const relabelled = (bundle: BundleJson) => {
    bundle.dsseEnvelope.payloadType = 'text/plain';
  };
  t.is(await forged(relabelled), 'SIGNATURE_MALFORMED');
});

test('G6: an attestation does not count as a signature', async (t) => {
  const world = sigstoreWorld();
  const statement = { predicateType: 'https://slsa.dev/provenance/v1', predicate: {} };
  const attestation = world.attest(IMAGE, statement, { identity: DEVELOPER });
  t.is(outcomeOf(await judge(world, [attestation])), 'NO_SIGNATURE');
});

test('G8: what a P-384 key signed over SHA-384 is admitted', async (t) => {
  const world = sigstoreWorld();
  const key = newKey('P-384');
  const resign = (bundle: BundleJson, { parts, certificate }: MadeSignature) => {
    const signature = sign('sha384', parts.signed, key.privateKey);
    const [slot] = bundle.dsseEnvelope.signatures;
    if (slot !== undefined) slot.sig = signature.toString('base64');
    if (certificate === undefined) return;
    const body = bodyV1({ ...parts, signature, verifier: { certificate } });
    bundle.verificationMaterial.tlogEntries = [world.rekorV1.add(body)];
  };
  t.is(await forged(resign, { key }, world), 'admitted');
});

test('G9: a certificate of the same CA for TLS does not sign images', async (t) => {
  t.is(await forged(() => undefined, { leaf: { purpose: 'serverAuth' } }), 'CERTIFICATE_INVALID');
});

test('G9: a timestamp authority whose certificate is for something else spoils the trusted root', async (t) => {
  const world = sigstoreWorld();
  const root = world.trustedRoot();
  const { chain } = newTimestampAuthority('careless', world.clock, 'codeSigning');
  const [authority] = root.timestampAuthorities;
  if (authority !== undefined) {
    authority.certChain.certificates = chain.map((der) => ({ rawBytes: der.toString('base64') }));
  }
  const error = await t.throwsAsync(judge(world, [], { trustedRoot: root }));
  t.like(error, { code: 'TRUST_ROOT_INVALID' });
});

test('a certificate without its certificate-transparency timestamp is refused', async (t) => {
  t.is(await forged(() => undefined, { leaf: { withoutSct: true } }), 'CERTIFICATE_INVALID');
});

test('a certificate without its certificate-transparency timestamp passes where the policy ignores that', async (t) => {
  const world = sigstoreWorld();
  const signature = world.signImage(IMAGE, { identity: DEVELOPER, leaf: { withoutSct: true } });
  const documents = [policyDocument([{ keyless: { identities: [DEVELOPER], insecureIgnoreSCT: true } }])];
  t.is(outcomeOf(await judge(world, [signature], { documents })), 'admitted');
});

test('a signature made after its certificate expired is refused', async (t) => {
  const world = sigstoreWorld();
  const notBefore = new Date(world.clock.now().getTime() - 60 * 60 * 1000);
  t.is(await forged(() => undefined, { leaf: { notBefore } }, world), 'CERTIFICATE_INVALID');
});

test('G10: more than eight log entries are not looked at', async (t) => {
  const many = (bundle: BundleJson) => {
    const entry = firstEntry(bundle);
    bundle.verificationMaterial.tlogEntries = Array.from({ length: 9 }, () => entry);
  };
  t.is(await forged(many), 'SIGNATURE_MALFORMED');
});

test('G10: a proof of more than 64 hashes is not looked at', async (t) => {
  const long = (bundle: BundleJson) => {
    const proof = firstEntry(bundle).inclusionProof;
    if (proof !== undefined) proof.hashes = Array.from({ length: 65 }, () => Buffer.alloc(32).toString('base64'));
  };
  t.is(await forged(long), 'SIGNATURE_MALFORMED');
});

test("G11: a certificate of one domain with another domain's log is refused", async (t) => {
  const world = sigstoreWorld();
  const other = sigstoreWorld({ name: 'other.example', clock: world.clock });
  const foreign = (bundle: BundleJson, { parts }: MadeSignature) => {
    bundle.verificationMaterial.tlogEntries = [other.rekorV1.add(bodyV1(parts))];
  };
  t.is(await forged(foreign, {}, world), 'UNTRUSTED_LOG');
});

test('a signature of another Sigstore is refused', async (t) => {
  const world = sigstoreWorld();
  const other = sigstoreWorld({ name: 'other.example', clock: world.clock });
  const root = { ...world.trustedRoot(), tlogs: other.trustedRoot().tlogs };
  const signature = other.signImage(IMAGE, { identity: DEVELOPER });
  t.is(outcomeOf(await judge(world, [signature], { trustedRoot: root })), 'UNTRUSTED_CERTIFICATE');
});

test('a log that shares the name of the trusted one but not its key is refused', async (t) => {
  const world = sigstoreWorld();
  const imposter = newTransparencyLog(`rekor.${world.name}`, world.clock, 1);
  const foreign = (bundle: BundleJson, { parts }: MadeSignature) => {
    const entry = imposter.add(bodyV1(parts));
    entry.logId.keyId = world.rekorV1.logId.toString('base64');
    bundle.verificationMaterial.tlogEntries = [entry];
  };
  t.is(await forged(foreign, { timestamped: true }, world), 'LOG_PROOF_INVALID');
});

test('G12: a checkpoint that contradicts one that this site holds is refused', async (t) => {
  const world = sigstoreWorld();
  const signature = world.signImage(IMAGE, { identity: DEVELOPER });
  const anchorOf = (rootHash: Buffer) => ({ origin: world.rekorV1.origin, size: BigInt(world.rekorV1.size), rootHash });
  const domainsWith = (rootHash: Buffer) =>
    trustDomains([world.domain()], { defaultName: world.name, anchors: { [world.name]: [anchorOf(rootHash)] } });
  const contradicted = await judge(world, [signature], { domains: domainsWith(Buffer.alloc(32)) });
  t.is(outcomeOf(contradicted), 'LOG_CONTRADICTION');
  const anchored = await judge(world, [signature], { domains: domainsWith(world.rekorV1.rootHash()) });
  t.is(anchored.policies[0]?.authorities[0]?.accepted[0]?.transparency, 'anchored');
});

test('a changed signature is told from a foreign log entry', async (t) => {
  const changed = (bundle: BundleJson) => {
    const [slot] = bundle.dsseEnvelope.signatures;
    if (slot === undefined) return;
    const bytes = Buffer.from(slot.sig, 'base64');
    bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
    slot.sig = bytes.toString('base64');
  };
  t.is(await forged(changed), 'SIGNATURE_INVALID');
  t.is(await forged(changed, { log: 2 }), 'SIGNATURE_INVALID');
});

test('a Rekor v2 signature without a timestamp proves no time', async (t) => {
  const untimed = (bundle: BundleJson) => {
    bundle.verificationMaterial.timestampVerificationData.rfc3161Timestamps = [];
  };
  t.is(await forged(untimed, { log: 2 }), 'TIMESTAMP_MISSING');
});

test('a timestamp over another signature is refused', async (t) => {
  const world = sigstoreWorld();
  const other = (bundle: BundleJson) => {
    const signedTimestamp = world.tsa.timestamp(Buffer.from('something else')).toString('base64');
    bundle.verificationMaterial.timestampVerificationData.rfc3161Timestamps = [{ signedTimestamp }];
  };
  t.is(await forged(other, { log: 2 }, world), 'TIMESTAMP_INVALID');
});

test('G4: two entries of one log are one log, and entries of two logs are two', (t) => {
  const world = sigstoreWorld();
  const verifier = sigstoreVerifier(parseTrustedRoot(world.domain().trustedRoot, world.name));
  const outcome = (second: 'same' | 'other', distinctLogs: number) => {
    const signature = world.signImage(IMAGE, {
      identity: DEVELOPER,
      forge: (bundle, { parts }) => {
        const rekor = second === 'same' ? world.rekorV1 : world.rekorV2;
        world.clock.advance(1000);
        bundle.verificationMaterial.tlogEntries.push(rekor.add(bodyV2(parts)));
      },
    });
    const parsed = parseSigstoreBundle(signature.document.layers[0]?.bytes ?? Buffer.alloc(0));
    if ('fault' in parsed) return parsed.fault;
    const content = signedContentOf(parsed);
    if (content === undefined) return 'no content';
    const demands = { transparency: 'included' as const, distinctLogs, sct: true, timestampAuthority: false };
    const result = verifier.verify(parsed, content, demands);
    return result.kind === 'verified' ? 'verified' : result.code;
  };
  t.is(outcome('same', 1), 'verified');
  t.is(outcome('same', 2), 'LOG_ENTRY_MISSING');
  t.is(outcome('other', 2), 'verified');
});
