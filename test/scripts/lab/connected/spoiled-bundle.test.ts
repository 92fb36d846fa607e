import test from 'ava';
import { withBorrowedLogEntry, withFlippedSignature } from '../../../../scripts/lab/connected/spoiled-bundle.ts';

function bundle(signature: string, entry: string): Buffer {
  return Buffer.from(
    JSON.stringify({
      verificationMaterial: { certificate: 'c', tlogEntries: [{ logIndex: entry }] },
      dsseEnvelope: { payload: 'p', signatures: [{ sig: Buffer.from(signature).toString('base64') }] },
    }),
  );
}

interface Bundle {
  verificationMaterial: { tlogEntries: unknown[] };
  dsseEnvelope: { payload: string; signatures: { sig: string }[] };
}

test('one bit of the signature is other, and nothing else', (t) => {
  const spoiled = JSON.parse(withFlippedSignature(bundle('abc', '1')).toString()) as Bundle;
  t.is(Buffer.from(spoiled.dsseEnvelope.signatures[0]?.sig ?? '', 'base64').toString(), 'abb');
  t.deepEqual({ ...spoiled, dsseEnvelope: 0 }, { ...JSON.parse(bundle('abc', '1').toString()), dsseEnvelope: 0 });
});

test('a plain message signature is turned as well', (t) => {
  const plain = { verificationMaterial: { tlogEntries: [] }, messageSignature: { signature: 'YWI=' } };
  const spoiled: unknown = JSON.parse(withFlippedSignature(Buffer.from(JSON.stringify(plain))).toString());
  t.like(spoiled, { messageSignature: { signature: 'YWM=' } });
});

test("the other bundle's log entry stands beside the own signature", (t) => {
  const spoiled = JSON.parse(withBorrowedLogEntry(bundle('own', '1'), bundle('other', '2')).toString()) as Bundle;
  t.deepEqual(spoiled.verificationMaterial.tlogEntries, [{ logIndex: '2' }]);
  t.is(Buffer.from(spoiled.dsseEnvelope.signatures[0]?.sig ?? '', 'base64').toString(), 'own');
});
