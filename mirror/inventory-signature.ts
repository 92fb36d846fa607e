import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';

import { z } from 'zod';

import { describeError } from '../appliance/kernel/coded-error.ts';
import { type Digest, digestOf } from '../appliance/kernel/digest.ts';
import { canonicalJson, parseJson } from '../appliance/kernel/json.ts';
import { MirrorError } from './mirror-error.ts';

/** Signs inventories. */
export interface InventorySigner {
  /** The public key, as SPKI in DER. */
  readonly publicKey: Buffer;
  /** A signature over `bytes`: Ed25519, or ECDSA P-256 with SHA-256 in DER. */
  readonly sign: (bytes: Uint8Array) => Promise<Buffer>;
}

/** Largest signature document taken. */
export const MAX_SIGNATURE_BYTES = 16 * 1024;

const ALGORITHMS = ['ed25519', 'ecdsa-p256-sha256'] as const;
type Algorithm = (typeof ALGORITHMS)[number];

const signatureSchema = z.strictObject({
  schemaVersion: z.literal(1),
  algorithm: z.enum(ALGORITHMS),
  /** SPKI, DER, base64. It says whose signature to check; whether that one is trusted is not for the bundle to say. */
  publicKey: z.base64(),
  signature: z.base64(),
});

/** What people compare: `sha256:` and the hex digest of a public key's SPKI in DER. */
export function keyFingerprint(publicKey: Uint8Array): Digest {
  return digestOf(publicKey);
}

/** A signer over a private key in memory. @throws MirrorError `BUNDLE_SIGNATURE_INVALID` for another kind of key. */
export function keySigner(privateKey: KeyObject): InventorySigner {
  const publicKey = createPublicKey(privateKey);
  const algorithm = algorithmOf(publicKey);
  return {
    publicKey: publicKey.export({ type: 'spki', format: 'der' }),
    sign: async (bytes) => sign(hashOf(algorithm), bytes, privateKey),
  };
}

/** The second member of a bundle: the signature over the inventory's bytes, and the key that it is to be checked with. */
export async function signInventory(inventory: Uint8Array, signer: InventorySigner): Promise<Buffer> {
  const algorithm = algorithmOf(publicKeyFrom(signer.publicKey));
  const signature = await signer.sign(inventory);
  return Buffer.from(
    canonicalJson({
      schemaVersion: 1,
      algorithm,
      publicKey: signer.publicKey.toString('base64'),
      signature: signature.toString('base64'),
    }),
  );
}

/**
 * Checks the signature over an inventory.
 * @param trusted fingerprints of the keys that may sign; undefined takes any key, for looking into a bundle only.
 * @returns the fingerprint of the key that signed.
 * @throws MirrorError `BUNDLE_SIGNATURE_INVALID`, `BUNDLE_UNTRUSTED_KEY`.
 */
export function verifyInventorySignature(
  inventory: Uint8Array,
  document: Uint8Array,
  trusted: readonly Digest[] | undefined,
): Digest {
  const { algorithm, publicKey, signature } = parseSignature(document);
  const fingerprint = keyFingerprint(publicKey);
  if (trusted !== undefined && !trusted.includes(fingerprint)) {
    throw new MirrorError(
      'BUNDLE_UNTRUSTED_KEY',
      `the bundle is signed by the key ${fingerprint}, which is not trusted`,
      {
        fix: 'compare the fingerprint with the one its maker published; if they are the same, pass it as --trust-key',
      },
    );
  }
  const key = publicKeyFrom(publicKey);
  if (algorithmOf(key) !== algorithm) throw invalid('its key is not of the kind that it names');
  if (!verify(hashOf(algorithm), inventory, key, signature)) {
    throw invalid('the inventory is not what was signed', { fix: 'get the bundle again: it was changed or damaged' });
  }
  return fingerprint;
}

function parseSignature(document: Uint8Array): { algorithm: Algorithm; publicKey: Buffer; signature: Buffer } {
  let json: unknown;
  try {
    json = parseJson(document, 'signature', { maxBytes: MAX_SIGNATURE_BYTES, maxDepth: 4 });
  } catch (cause) {
    throw invalid(describeError(cause), { cause });
  }
  const result = signatureSchema.safeParse(json);
  if (!result.success) throw invalid(z.prettifyError(result.error));
  const { algorithm, publicKey, signature } = result.data;
  const parsed = {
    algorithm,
    publicKey: Buffer.from(publicKey, 'base64'),
    signature: Buffer.from(signature, 'base64'),
  };
  // One byte form only: white space, order or padding bits can't be used to change a bundle unseen.
  const form = { schemaVersion: 1, algorithm, publicKey: parsed.publicKey.toString('base64') };
  const canonical = canonicalJson({ ...form, signature: parsed.signature.toString('base64') });
  if (!Buffer.from(canonical).equals(document)) throw invalid('the signature file is not in canonical form');
  return parsed;
}

function publicKeyFrom(der: Buffer): KeyObject {
  try {
    return createPublicKey({ key: der, format: 'der', type: 'spki' });
  } catch (cause) {
    throw invalid('its public key is not readable', { cause });
  }
}

function algorithmOf(key: KeyObject): Algorithm {
  if (key.asymmetricKeyType === 'ed25519') return 'ed25519';
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1') {
    return 'ecdsa-p256-sha256';
  }
  throw invalid('the key is neither Ed25519 nor ECDSA P-256');
}

function hashOf(algorithm: Algorithm): string | null {
  return algorithm === 'ed25519' ? null : 'sha256';
}

function invalid(why: string, options: { cause?: unknown; fix?: string } = {}): MirrorError {
  return new MirrorError('BUNDLE_SIGNATURE_INVALID', `the bundle's signature: ${why}`, options);
}
