import { generateKeyPairSync } from 'node:crypto';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import test from 'ava';
import { signingConfigDocument, trustedRootDocument } from '../../../../scripts/lab/connected/trust-documents.ts';
import type { UpstreamKeys } from '../../../../scripts/lab/connected/upstream-keys.ts';

function stored() {
  return { ...generateKeyPairSync('ec', { namedCurve: 'P-256' }), file: '', passphrase: '' };
}

const KEYS: UpstreamKeys = {
  rekor: stored(),
  ctlog: stored(),
  fulcio: stored(),
  tsa: stored(),
  issuer: stored(),
  rekorV2: { ...generateKeyPairSync('ed25519'), file: '' },
  fulcioChain: '',
  tsaChain: '',
  webAuthority: '',
};

test('the trusted root names both logs by the ids that they sign with', (t) => {
  const root = TrustedRoot.fromJSON(trustedRootDocument(KEYS, new Date()));
  t.deepEqual(
    root.tlogs.map((log) => new URL(log.baseUrl).hostname),
    ['rekor.sigstore.example', 'log2026-1.rekor.sigstore.example'],
  );
  for (const log of [...root.tlogs, ...root.ctlogs]) t.is(log.logId?.keyId.length, 32);
});

test('the keys are valid from before they were first used', (t) => {
  const made = new Date();
  const [log] = TrustedRoot.fromJSON(trustedRootDocument(KEYS, made)).tlogs;
  t.true((log?.publicKey?.validFor?.start ?? made) < made);
});

test('only Rekor v2 is signed to with a timestamp', (t) => {
  t.like(signingConfigDocument(1, new Date()), { rekorTlogUrls: [{ majorApiVersion: 1 }], tsaUrls: [] });
  t.like(signingConfigDocument(2, new Date()), {
    rekorTlogUrls: [{ majorApiVersion: 2 }],
    tsaUrls: [{ majorApiVersion: 1 }],
  });
});
