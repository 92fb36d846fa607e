import test from 'ava';

import { type Digest, digestOf } from '../../../appliance/kernel/digest.ts';
import { EVIDENCE_LIMITS, type EvidenceLimits } from '../../../appliance/verification/evidence.ts';
import { evidenceFrom, storedEvidence } from '../../../appliance/verification/stored-evidence.ts';
import { memoryBlobStore } from '../../../mirror/blob-store.ts';
import type { EvidenceIndex } from '../../../mirror/evidence-index.ts';
import { DEVELOPER, IMAGE, judge, OTHER_IMAGE, outcomeOf } from '../../support/judge.ts';
import { type AttachedEvidence, sigstoreWorld } from '../../support/sigstore-world.ts';

/** A store that knows {@link IMAGE} with this attached to it. */
async function storeWith(attached: readonly AttachedEvidence[], leaveOut: readonly Digest[] = []) {
  const blobs = memoryBlobStore();
  const all = attached.flatMap(({ manifest, manifestDigest, blobs: own }) => [
    ...own,
    [manifestDigest, manifest] as const,
  ]);
  for (const [digest, bytes] of all) if (!leaveOut.includes(digest)) await blobs.write(digest, bytes);
  const image = {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    repositories: [IMAGE.name],
    children: [],
    evidence: attached.map(({ item }) => item),
  };
  const index: EvidenceIndex = { schemaVersion: 1, images: { [IMAGE.digest]: image }, tags: {} };
  return { reader: (limits?: EvidenceLimits) => storedEvidence(index, blobs, limits), image };
}

const world = sigstoreWorld();
const sign = () => world.signImage(IMAGE, { identity: DEVELOPER });

test('what was attached is read back as it was, in both forms', async (t) => {
  const attached = [sign(), world.signImage(IMAGE, { identity: DEVELOPER, format: 'legacy' })];
  const { reader } = await storeWith(attached);
  t.deepEqual(
    await reader().evidenceFor(IMAGE),
    attached.map(({ document }) => document),
  );
});

test('an image is judged by what the store holds', async (t) => {
  const { reader } = await storeWith([sign()]);
  t.is(outcomeOf(await judge(world, [], { evidence: reader() })), 'admitted');
});

test('an image that is listed without evidence has none', async (t) => {
  const { reader } = await storeWith([]);
  t.is(outcomeOf(await judge(world, [], { evidence: reader() })), 'NO_SIGNATURE');
});

test('an image that is not listed is unknown', async (t) => {
  const { reader } = await storeWith([]);
  t.like(await t.throwsAsync(reader().evidenceFor(OTHER_IMAGE)), { code: 'EVIDENCE_UNAVAILABLE' });
});

test('evidence whose content is missing is unavailable, and not absent', async (t) => {
  const signature = sign();
  const layer = signature.document.layers[0]?.digest;
  for (const gone of [signature.manifestDigest, layer]) {
    const { reader } = await storeWith([signature], gone === undefined ? [] : [gone]);
    t.like(await t.throwsAsync(reader().evidenceFor(IMAGE)), { code: 'EVIDENCE_UNAVAILABLE' });
  }
});

test('more documents, or more bytes, than the limits are refused before they are read', async (t) => {
  const { reader } = await storeWith([sign(), sign()]);
  for (const limit of [{ maxDocuments: 1 }, { maxTotalBytes: 100 }]) {
    const limited = reader({ ...EVIDENCE_LIMITS, ...limit });
    t.like(await t.throwsAsync(limited.evidenceFor(IMAGE)), { code: 'EVIDENCE_TOO_LARGE' });
  }
});

test('a layer that is too large is left out, and the others count', async (t) => {
  const statement = { predicateType: 'https://spdx.dev/Document', predicate: { text: 'x'.repeat(20_000) } };
  const { reader } = await storeWith([world.attest(IMAGE, statement, { identity: DEVELOPER }), sign()]);
  const limited = reader({ ...EVIDENCE_LIMITS, maxLayerBytes: 16_000 });
  t.is(outcomeOf(await judge(world, [], { evidence: limited })), 'admitted');
});

test('an SBOM is not read: no verdict rests on it', async (t) => {
  const { image } = await storeWith([]);
  const manifest = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: digestOf('sbom'), size: 4 };
  const evidence = [{ source: 'tag' as const, suffix: 'sbom' as const, manifest, blobs: [] }];
  const index: EvidenceIndex = { schemaVersion: 1, images: { [IMAGE.digest]: { ...image, evidence } }, tags: {} };
  t.deepEqual(await storedEvidence(index, memoryBlobStore()).evidenceFor(IMAGE), []);
});

test('a second reader is asked about what the first does not know', async (t) => {
  const { reader } = await storeWith([sign()]);
  const empty = storedEvidence({ schemaVersion: 1, images: {}, tags: {} }, memoryBlobStore());
  t.is((await evidenceFrom(empty, reader()).evidenceFor(IMAGE)).length, 1);
});
