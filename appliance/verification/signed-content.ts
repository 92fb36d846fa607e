import { createHash, type KeyObject, timingSafeEqual, verify } from 'node:crypto';

import { dsse } from '@sigstore/core';
import type { SignedEntity } from '@sigstore/verify';

import type { HashName } from './public-key.ts';

/**
 * What a signature is over. Made by us rather than by the library, which always hashes DSSE with SHA-256 and so
 * refuses what a P-384 key signed.
 */
export interface SignedContent {
  readonly signature: Buffer;
  /** True when `digest` is the digest of the signed bytes. */
  readonly isSignedDigest: (digest: Buffer) => boolean;
  /** True when `digest` is the digest of the payload: of the message, or of the envelope's payload. */
  readonly isPayloadDigest: (digest: Buffer) => boolean;
  /** True when the signature is `key`'s. `hash` only when a policy names one; else what the key's type says. */
  readonly isSignedBy: (key: KeyObject, hash?: HashName) => boolean;
}

/** A signature over bytes that are at hand. */
export function messageContent(message: Buffer, signature: Buffer): SignedContent {
  return contentOver(message, message, signature);
}

/** A signature over a DSSE envelope's payload and type. */
export function dsseContent(envelope: { payload: Buffer; payloadType: string; signature: Buffer }): SignedContent {
  const signed = dsse.preAuthEncoding(envelope.payloadType, envelope.payload);
  return contentOver(signed, envelope.payload, envelope.signature);
}

/** A signature over a message of which only the SHA-256 digest is known. Node has no way to check one; the caller brings it. */
export function digestContent(
  digest: Buffer,
  signature: Buffer,
  verifyPrehashed: (key: KeyObject, digest: Buffer, signature: Buffer) => boolean,
): SignedContent {
  return {
    signature,
    isSignedDigest: (other) => isSame(digest, other),
    isPayloadDigest: (other) => isSame(digest, other),
    isSignedBy: (key) => verifyPrehashed(key, digest, signature),
  };
}

/** The form that the library's verifier takes. */
export function forLibrary(content: SignedContent, hash?: HashName): SignedEntity['signature'] {
  return {
    signature: content.signature,
    compareSignature: (other) => isSame(content.signature, other),
    compareDigest: content.isPayloadDigest,
    compareSignedDigest: content.isSignedDigest,
    verifySignature: (key) => content.isSignedBy(key, hash),
  };
}

function contentOver(signed: Buffer, payload: Buffer, signature: Buffer): SignedContent {
  return {
    signature,
    isSignedDigest: (digest) => isDigestOf(signed, digest),
    isPayloadDigest: (digest) => isDigestOf(payload, digest),
    isSignedBy: (key, hash) =>
      hashesFor(key, hash).some((name) => {
        try {
          return verify(name, signed, key, signature);
        } catch {
          // A signature that the key's type can't even read.
          return false;
        }
      }),
  };
}

const HASH_BY_LENGTH: Readonly<Record<number, HashName>> = { 28: 'sha224', 32: 'sha256', 48: 'sha384', 64: 'sha512' };
const HASH_BY_CURVE: Readonly<Record<string, HashName>> = { secp384r1: 'sha384', secp521r1: 'sha512' };

/** The hash functions that a key's signature may be made with; null where the algorithm has its own. */
function hashesFor(key: KeyObject, wanted: HashName | undefined): readonly (HashName | null)[] {
  if (key.asymmetricKeyType === 'ed25519') return [null];
  if (wanted !== undefined) return [wanted];
  const own = HASH_BY_CURVE[key.asymmetricKeyDetails?.namedCurve ?? ''];
  return own === undefined ? ['sha256'] : [own, 'sha256'];
}

function isDigestOf(bytes: Buffer, digest: Buffer): boolean {
  const name = HASH_BY_LENGTH[digest.length];
  return name !== undefined && isSame(createHash(name).update(bytes).digest(), digest);
}

function isSame(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
