import test from 'ava';
import fc from 'fast-check';

import { parseSigstoreBundle } from '../../../appliance/verification/sigstore-bundle.ts';
import { DEVELOPER, IMAGE, judge, outcomeOf } from '../../support/judge.ts';
import { type BundleJson, sigstoreWorld } from '../../support/sigstore-world.ts';

// Whatever single value of a bundle is changed, the signature no longer counts, but for values that prove nothing.

const NEUTRAL: Readonly<Record<number, readonly string[]>> = {
  // The tree's size and root come from the checkpoint, and the signed promise is what holds the index.
  1: ['inclusionProof.rootHash', 'inclusionProof.treeSize', 'signatures.0.keyid'],
  // Rekor v2 has no promise: the proof's own index is what counts.
  2: ['inclusionProof.rootHash', 'inclusionProof.treeSize', 'signatures.0.keyid', 'tlogEntries.0.logIndex'],
};

type Place = readonly (string | number)[];

function leavesOf(value: unknown, place: Place = []): Place[] {
  if (typeof value !== 'object' || value === null) return [place];
  return Object.entries(value).flatMap(([key, inner]) => leavesOf(inner, [...place, key]));
}

function change(bundle: BundleJson, place: Place): void {
  let holder = bundle as unknown as Record<string, unknown>;
  for (const key of place.slice(0, -1)) holder = holder[key] as Record<string, unknown>;
  const last = String(place.at(-1));
  holder[last] = changed(String(holder[last]));
}

/** Another value of the same form: the middle character becomes another one. */
function changed(text: string): string {
  const at = Math.floor(text.length / 2);
  const character = text[at] ?? '';
  const other = /[0-9]/.test(character) ? String((Number(character) + 1) % 10) : character === 'A' ? 'B' : 'A';
  return text.slice(0, at) + other + text.slice(at + 1);
}

for (const log of [1, 2] as const) {
  test(`no value of a bundle with Rekor v${log} can be changed`, async (t) => {
    const world = sigstoreWorld();
    let places: Place[] = [];
    world.signImage(IMAGE, { identity: DEVELOPER, log, forge: (bundle) => (places = leavesOf(bundle)) });
    t.true(places.length > 10);
    for (const place of places) {
      const signature = world.signImage(IMAGE, { identity: DEVELOPER, log, forge: (bundle) => change(bundle, place) });
      const outcome = outcomeOf(await judge(world, [signature]));
      const isNeutral = (NEUTRAL[log] ?? []).some((end) => place.join('.').endsWith(end));
      t.is(outcome === 'admitted', isNeutral, `${place.join('.')}: ${outcome}`);
    }
  });
}

test('no bytes make the reader of bundles throw', (t) => {
  const world = sigstoreWorld();
  const signature = world.signImage(IMAGE, { identity: DEVELOPER });
  const good = signature.document.layers[0]?.bytes.toString('utf8') ?? '';
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), cutAndPasted(good)), (text) => {
      parseSigstoreBundle(Buffer.from(text));
    }),
  );
  t.pass();
});

test('a mangled bundle never makes the verifier throw, and where it is admitted it says the same', async (t) => {
  const world = sigstoreWorld();
  const signature = world.signImage(IMAGE, { identity: DEVELOPER, log: 2 });
  const [layer] = signature.document.layers;
  if (layer === undefined) throw new Error('the signature has no layer');
  const good = layer.bytes.toString('utf8');
  await fc.assert(
    fc.asyncProperty(cutAndPasted(good), async (text) => {
      const document = { ...signature.document, layers: [{ ...layer, bytes: Buffer.from(text) }] };
      const outcome = outcomeOf(await judge(world, [{ ...signature, document }]));
      if (outcome === 'admitted') t.deepEqual(meaningOf(text), meaningOf(good));
    }),
    { numRuns: 300 },
  );
});

test('junk in a timestamp does not hide a good signature', async (t) => {
  const world = sigstoreWorld();
  const junk = world.signImage(IMAGE, {
    identity: DEVELOPER,
    log: 2,
    forge: (bundle) => {
      // A sequence of sequences: ASN.1 in form, and no timestamp.
      const signedTimestamp = Buffer.from([0x30, 0x04, 0x30, 0x00, 0x30, 0x00]).toString('base64');
      bundle.verificationMaterial.timestampVerificationData.rfc3161Timestamps = [{ signedTimestamp }];
    },
  });
  t.is(outcomeOf(await judge(world, [junk])), 'SIGNATURE_MALFORMED');
  t.is(outcomeOf(await judge(world, [junk, world.signImage(IMAGE, { identity: DEVELOPER })])), 'admitted');
});

/** The text with one stretch of it put in another place. */
function cutAndPasted(text: string): fc.Arbitrary<string> {
  const index = fc.nat(text.length);
  return fc.tuple(index, index, fc.nat(20)).map(([from, to, length]) => {
    return text.slice(0, to) + text.slice(from, from + length) + text.slice(to + length);
  });
}

/** What was signed, and by what; the rest of a bundle has unsigned corners (names of algorithms in timestamps). */
function meaningOf(text: string): unknown {
  const { dsseEnvelope, verificationMaterial } = JSON.parse(text) as BundleJson;
  const [signature] = dsseEnvelope.signatures;
  return [dsseEnvelope.payload, signature?.sig, verificationMaterial.certificate].map((part) =>
    JSON.stringify(part).replace(/=/g, ''),
  );
}
