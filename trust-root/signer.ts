import { type KeyObject, sign } from 'node:crypto';

import { algorithmOf, publicKeyDer, publicKeyPem } from './keys.ts';
import type { TufKey } from './tuf-documents.ts';
import { keyIdOf } from './tuf-signatures.ts';

/** Signs TUF metadata: a key in memory today; a token, a KMS or a signer process fit the same port. */
export interface Signer {
  readonly keyId: string;
  readonly key: TufKey;
  /** The signature over `bytes`: ECDSA P-256 with SHA-256 in DER, or Ed25519. */
  sign(bytes: Buffer): Promise<Buffer>;
}

/** The public half of a key as TUF metadata carries it. @throws TrustRootError `KEY_UNSUPPORTED` but for P-256 and Ed25519. */
export function tufKeyOf(key: KeyObject): TufKey {
  if (algorithmOf(key) === 'ed25519') {
    // RFC 8410: the last 32 bytes of the SubjectPublicKeyInfo are the key.
    return {
      keytype: 'ed25519',
      scheme: 'ed25519',
      keyval: { public: publicKeyDer(key).subarray(-32).toString('hex') },
    };
  }
  return { keytype: 'ecdsa', scheme: 'ecdsa-sha2-nistp256', keyval: { public: publicKeyPem(key) } };
}

/** A signer over a private key in memory. @throws TrustRootError `KEY_UNSUPPORTED`. */
export function keySigner(privateKey: KeyObject): Signer {
  const key = tufKeyOf(privateKey);
  const algorithm = key.scheme === 'ed25519' ? null : 'sha256';
  return { keyId: keyIdOf(key), key, sign: async (bytes) => sign(algorithm, bytes, privateKey) };
}
