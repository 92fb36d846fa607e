import { createHash, createPublicKey, type KeyObject } from 'node:crypto';

/** A public key that a policy names, with the digest that its signatures are made over. */
export interface ManagedKey {
  readonly key: KeyObject;
  /** DER of the SubjectPublicKeyInfo. */
  readonly spki: Buffer;
  /** `sha256:<hex>` of the SubjectPublicKeyInfo. */
  readonly fingerprint: string;
  readonly hashAlgorithm: HashName;
}

/** Hash functions that a key may sign over. */
export const HASH_NAMES = ['sha224', 'sha256', 'sha384', 'sha512'] as const;
export type HashName = (typeof HASH_NAMES)[number];

const FIRST_BLOCK = /-----BEGIN ((?:RSA )?PUBLIC KEY)-----[^-]+-----END \1-----/;
const MIN_RSA_BITS = 2048;
const CURVES = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/** Reads the first PEM public key in `pem`; nothing when there is none that can be used (ECDSA P-256/384/521, Ed25519, RSA ≥ 2048). */
export function parseManagedKey(pem: string, hashAlgorithm: HashName = 'sha256'): ManagedKey | undefined {
  const block = FIRST_BLOCK.exec(pem);
  if (block === null) return undefined;
  try {
    const key = createPublicKey(block[0]);
    if (!isUsable(key)) return undefined;
    const spki = key.export({ type: 'spki', format: 'der' });
    return { key, spki, fingerprint: fingerprintOf(spki), hashAlgorithm };
  } catch {
    return undefined;
  }
}

/** `sha256:<hex>` of a SubjectPublicKeyInfo in DER. */
export function fingerprintOf(spki: Uint8Array): string {
  return `sha256:${createHash('sha256').update(spki).digest('hex')}`;
}

function isUsable(key: KeyObject): boolean {
  const details = key.asymmetricKeyDetails ?? {};
  const type = key.asymmetricKeyType;
  if (type === 'ec') return CURVES.has(details.namedCurve ?? '');
  if (type === 'rsa') return (details.modulusLength ?? 0) >= MIN_RSA_BITS;
  return type === 'ed25519';
}
