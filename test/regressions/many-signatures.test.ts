// Everything attached to an image was verified in one go, anew for each authority and policy: 4096 worthless signatures,
// which the limits allowed, held up every other review for half a minute, and so every workload of the cluster.

import test from 'ava';

import { digestOf } from '../../appliance/kernel/digest.ts';
import { EVIDENCE_LIMITS } from '../../appliance/verification/evidence.ts';
import type { SigstoreVerifier } from '../../appliance/verification/sigstore-verifier.ts';
import { storedEvidence } from '../../appliance/verification/stored-evidence.ts';
import { trustDomains } from '../../appliance/verification/trust-domains.ts';
import { memoryBlobStore } from '../../mirror/blob-store.ts';
import type { EvidenceIndex } from '../../mirror/evidence-index.ts';
import { DEVELOPER, IMAGE, judge, keyless, outcomeOf, policyDocument } from '../support/judge.ts';
import { sigstoreWorld } from '../support/sigstore-world.ts';

const STRANGER = { ...DEVELOPER, subject: 'stranger@example.com' };

test('others have their turns while an image with many signatures is judged', async (t) => {
  const world = sigstoreWorld();
  const attached = Array.from({ length: 48 }, () => world.signImage(IMAGE, { identity: STRANGER }));
  let turns = 0;
  const counting = setInterval(() => {
    turns += 1;
  }, 1);
  const verdict = await judge(world, attached);
  clearInterval(counting);
  t.is(outcomeOf(verdict), 'IDENTITY_MISMATCH');
  t.true(turns > 2, `${turns} turns`);
});

test('an authority that asks for the same does not have it verified again', async (t) => {
  const world = sigstoreWorld();
  const domain = trustDomains([world.domain()], { defaultName: world.name }).get(world.name);
  if (domain === undefined) throw new Error('the domain is needed');
  let verifications = 0;
  const verifier: SigstoreVerifier = {
    verify: (...of) => {
      verifications += 1;
      return domain.verifier.verify(...of);
    },
  };
  const domains = { ...trustDomains([world.domain()]), defaultName: world.name, get: () => ({ ...domain, verifier }) };
  const documents = [1, 2, 3].map((policy) =>
    policyDocument(
      [1, 2, 3, 4].map((authority) => keyless({ name: `authority ${authority}` })),
      { name: `policy-${policy}` },
    ),
  );
  const foreign = world.signImage(IMAGE, { identity: STRANGER });
  t.is(outcomeOf(await judge(world, [foreign], { documents, domains })), 'IDENTITY_MISMATCH');
  t.is(verifications, 1);
});

test('what another authority demands besides is verified by itself', async (t) => {
  const world = sigstoreWorld();
  const signed = world.signImage(IMAGE, { identity: DEVELOPER });
  const stamped = keyless({ ctlog: { url: `https://rekor.${world.name}` }, rfc3161timestamp: {} });
  const document = (name: string, authority: object): object => policyDocument([authority], { name });
  const documents = [document('first', keyless()), document('second', stamped)];
  t.is(outcomeOf(await judge(world, [signed], { documents })), 'TIMESTAMP_MISSING');
});

test('more layers in all documents together than may be verified are refused before they are read', async (t) => {
  const layers = Array.from({ length: 60 }, (_, at) => ({
    mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
    digest: digestOf(`layer ${at}`),
    size: 10,
  }));
  const blobs = memoryBlobStore();
  const evidence = await Promise.all(
    [1, 2, 3, 4, 5].map(async (number) => {
      const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf('{}'), size: 2 };
      const bytes = Buffer.from(
        JSON.stringify({ schemaVersion: 2, config, layers, annotations: { n: String(number) } }),
      );
      const manifest = {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest: digestOf(bytes),
        size: bytes.length,
      };
      await blobs.write(manifest.digest, bytes);
      return { source: 'tag' as const, suffix: 'sig' as const, manifest, blobs: layers };
    }),
  );
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const index: EvidenceIndex = {
    schemaVersion: 1,
    images: { [IMAGE.digest]: { mediaType, repositories: [IMAGE.name], children: [], evidence } },
    tags: {},
  };
  const reading = storedEvidence(index, blobs, EVIDENCE_LIMITS).evidenceFor(IMAGE);
  t.like(await t.throwsAsync(reading), { code: 'EVIDENCE_TOO_LARGE' });
});
