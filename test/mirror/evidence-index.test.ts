import test from 'ava';
import fc from 'fast-check';
import { digestOf } from '../../appliance/kernel/digest.ts';
import {
  EMPTY_EVIDENCE_INDEX,
  type EvidenceImage,
  type EvidenceIndex,
  mergeEvidenceIndexes,
  parseEvidenceIndex,
  serializeEvidenceIndex,
} from '../../mirror/evidence-index.ts';
import { MEDIA } from '../../mirror/oci-types.ts';

const digest = fc.string().map((text) => digestOf(text));
const descriptor = fc.record({ mediaType: fc.constant(MEDIA.ociManifest), digest, size: fc.nat() });
const evidenceItem = fc.oneof(
  fc.record({
    source: fc.constant('referrer' as const),
    artifactType: fc.string(),
    manifest: descriptor,
    blobs: fc.array(descriptor),
  }),
  fc.record({
    source: fc.constant('tag' as const),
    suffix: fc.constantFrom('sig' as const, 'att' as const, 'sbom' as const),
    manifest: descriptor,
    blobs: fc.array(descriptor),
  }),
);
const repository = fc.constantFrom('docker.io/library/nginx', 'ghcr.io/a/b', 'localhost:5000/x', '[::1]:5000/x/y');
const image: fc.Arbitrary<EvidenceImage> = fc.record({
  mediaType: fc.constantFrom(MEDIA.ociManifest, MEDIA.ociIndex),
  repositories: fc.uniqueArray(repository),
  children: fc.uniqueArray(digest),
  evidence: fc.uniqueArray(evidenceItem, { selector: (item) => item.source + item.manifest.digest }),
});
const index: fc.Arbitrary<EvidenceIndex> = fc.record({
  schemaVersion: fc.constant(1 as const),
  images: fc.dictionary(digest, image),
  tags: fc.dictionary(
    repository.map((name) => `${name}:v1`),
    digest,
  ),
});

test('an index reads back as it was written, and its bytes are stable', (t) => {
  fc.assert(
    fc.property(index, (value) => {
      const bytes = serializeEvidenceIndex(value);
      t.true(serializeEvidenceIndex(parseEvidenceIndex(bytes)).equals(bytes));
    }),
  );
});

test('merging takes the union, whatever the order, and is idempotent', (t) => {
  fc.assert(
    fc.property(index, index, (a, b) => {
      const images = (merged: EvidenceIndex): Buffer => serializeEvidenceIndex({ ...merged, tags: {} });
      const sameTypes = Object.keys(a.images).every((key) => !(key in b.images));
      if (sameTypes) t.true(images(mergeEvidenceIndexes(a, b)).equals(images(mergeEvidenceIndexes(b, a))));
      const same = serializeEvidenceIndex(a);
      t.true(serializeEvidenceIndex(mergeEvidenceIndexes(a, a)).equals(same));
      t.true(serializeEvidenceIndex(mergeEvidenceIndexes(EMPTY_EVIDENCE_INDEX, a)).equals(same));
    }),
  );
});

test('the newer tag wins', (t) => {
  const tagged = (text: string): EvidenceIndex => ({ ...EMPTY_EVIDENCE_INDEX, tags: { 'a.b/c:v1': digestOf(text) } });
  t.deepEqual(mergeEvidenceIndexes(tagged('old'), tagged('new')).tags, { 'a.b/c:v1': digestOf('new') });
});

for (const [what, text] of Object.entries({
  'an unknown version': '{"schemaVersion":2,"images":{},"tags":{}}',
  'an unknown field': '{"schemaVersion":1,"images":{},"tags":{},"extra":1}',
  'a key that is no digest': '{"schemaVersion":1,"images":{"sha256:00":{}},"tags":{}}',
  'a tag without a host': `{"schemaVersion":1,"images":{},"tags":{"nginx:v1":"${digestOf('')}"}}`,
  'a tag to something that is no digest': '{"schemaVersion":1,"images":{},"tags":{"a.b/c:v1":"latest"}}',
  'text that is not JSON': '{',
})) {
  test(`${what} is refused`, (t) => {
    t.throws(() => parseEvidenceIndex(Buffer.from(text)), { code: 'EVIDENCE_INDEX_INVALID' });
  });
}
