import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';

import { type Digest, digestOf } from '../appliance/kernel/digest.ts';
import { TrustRootError } from './trust-root-error.ts';

/** The kinds of key that Sealift makes. Never P-384: cosign's and policy-controller's older TUF clients refuse it. */
export type KeyAlgorithm = 'p256' | 'ed25519';

/** A new private key. */
export function generateKey(algorithm: KeyAlgorithm): KeyObject {
  if (algorithm === 'ed25519') return generateKeyPairSync('ed25519').privateKey;
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

/** The algorithm of a private or public key. @throws TrustRootError `KEY_UNSUPPORTED`. */
export function algorithmOf(key: KeyObject): KeyAlgorithm {
  if (key.asymmetricKeyType === 'ed25519') return 'ed25519';
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType === 'ec' && curve === 'prime256v1') return 'p256';
  throw new TrustRootError(
    'KEY_UNSUPPORTED',
    `${key.asymmetricKeyType ?? 'secret'} ${curve ?? ''} key: only P-256 and Ed25519 keys are taken`,
  );
}

/** The public half of a private key; a public key is handed back as it is. */
export function publicKeyOf(key: KeyObject): KeyObject {
  return key.type === 'private' ? createPublicKey(key) : key;
}

/** The public half as SubjectPublicKeyInfo in DER. */
export function publicKeyDer(key: KeyObject): Buffer {
  return publicKeyOf(key).export({ type: 'spki', format: 'der' });
}

/** The public half as a PEM block `PUBLIC KEY`. */
export function publicKeyPem(key: KeyObject): string {
  return publicKeyOf(key).export({ type: 'spki', format: 'pem' }).toString();
}

/** `sha256:<hex>` of the SubjectPublicKeyInfo in DER: the fingerprint that people compare. */
export function publicKeyFingerprint(key: KeyObject): Digest {
  return digestOf(publicKeyDer(key));
}

/** Reads a PEM public key or the public key in a PEM certificate. @throws TrustRootError `KEY_UNSUPPORTED`. */
export function parsePublicKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch (cause) {
    throw new TrustRootError('KEY_UNSUPPORTED', 'not a public key in PEM form', { cause });
  }
  algorithmOf(key);
  return key;
}

/**
 * A service's private key as the Go servers read it: SEC 1 in a legacy (RFC 1423) PEM block encrypted with AES-256-CBC.
 * The one form that ct_server, Fulcio, Rekor and the timestamp authority all take; ct_server takes no other.
 * @throws TrustRootError `PASSPHRASE_EMPTY`: ct_server refuses a key without a password. `KEY_UNSUPPORTED` but for P-256.
 */
export function exportServiceKey(key: KeyObject, passphrase: string): string {
  if (passphrase === '') throw new TrustRootError('PASSPHRASE_EMPTY', 'a service key needs a passphrase');
  if (algorithmOf(key) !== 'p256') {
    throw new TrustRootError('KEY_UNSUPPORTED', 'a service key is a P-256 key: the legacy PEM form has none other');
  }
  return key.export({ type: 'sec1', format: 'pem', cipher: 'aes-256-cbc', passphrase }).toString();
}

/** Reads what {@link exportServiceKey} wrote. @throws TrustRootError `PASSPHRASE_WRONG`. */
export function importServiceKey(pem: string, passphrase: string): KeyObject {
  try {
    return createPrivateKey({ key: pem, passphrase });
  } catch (cause) {
    throw new TrustRootError('PASSPHRASE_WRONG', 'the service key does not open with this passphrase', { cause });
  }
}

/** A private key in the clear, as a PKCS #8 PEM block: for Secrets that hold TLS keys and the online TUF keys, nothing else. */
export function exportPlainKeyUnsafe(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** Reads a private key in the clear (PKCS #8 or SEC 1 PEM). @throws TrustRootError `KEY_UNSUPPORTED`. */
export function importPlainKey(pem: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw new TrustRootError('KEY_UNSUPPORTED', 'not a private key in PEM form without a passphrase', { cause });
  }
  algorithmOf(key);
  return key;
}
