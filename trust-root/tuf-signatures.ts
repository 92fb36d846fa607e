import { constants, createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';

import { canonicalize } from '@tufjs/canonical-json';

import { TrustRootError } from './trust-root-error.ts';
import type { RoleKeys, TufDocument, TufKey } from './tuf-documents.ts';

/** The id of a key: hex sha256 of the canonical form of `{keytype, scheme, keyval}` (TUF spec §4.2 "KEYID"). */
export function keyIdOf({ keytype, scheme, keyval }: TufKey): string {
  return createHash('sha256').update(canonicalize({ keytype, scheme, keyval })).digest('hex');
}

/** The bytes that signatures are over: the canonical form of `signed` (OLPC canonical JSON, TUF spec §4.2). */
export function signedBytes(document: Pick<TufDocument, 'signed'>): Buffer {
  return Buffer.from(canonicalize(document.signed), 'utf8');
}

/** Who delegates: the keys that it names, and the role it names them for. */
export interface Delegator {
  /** For messages: `root v3`, `targets v8`. */
  readonly name: string;
  readonly keys: ReadonlyMap<string, TufKey>;
}

/** How strictly key ids are taken. */
export interface SignatureOptions {
  /** Refuse a key whose id does not recompute. Not for foreign repositories: GitHub's ids don't (sigstore-rust#88). */
  readonly strictKeyIds: boolean;
}

/**
 * Checks that `document` is signed by at least `role.threshold` different keys of the role (TUF spec §4.2, 5.3.4 …).
 * Keys are told apart by what they are, not by their ids: one key under two ids counts once.
 * @throws TrustRootError `SIGNATURES_BELOW_THRESHOLD`, `KEY_ID_WRONG`.
 */
export function assertSigned(
  document: TufDocument,
  by: { readonly delegator: Delegator; readonly role: RoleKeys; readonly what: string },
  options: SignatureOptions,
): void {
  const { delegator, role, what } = by;
  const message = signedBytes(document);
  const signers = new Set<string>();
  for (const keyId of role.keyIds) {
    const key = delegator.keys.get(keyId);
    const signature = document.signatures.get(keyId);
    if (key === undefined) continue;
    if (options.strictKeyIds && keyIdOf(key) !== keyId) {
      throw new TrustRootError('KEY_ID_WRONG', `${delegator.name}: key id ${keyId} is not the hash of its key`);
    }
    // Past the threshold, further signatures prove nothing more.
    if (signature === undefined || signers.size >= role.threshold) continue;
    const signer = signerOf(message, key, signature);
    if (signer !== undefined) signers.add(signer);
  }
  if (signers.size >= role.threshold) return;
  throw new TrustRootError(
    'SIGNATURES_BELOW_THRESHOLD',
    `${what}: signed by ${signers.size} of the ${role.threshold} keys that ${delegator.name} asks for`,
  );
}

/** The public key (SPKI DER, hex) that made `signature` (hex) over `message`; `undefined` when `key` did not. */
function signerOf(message: Buffer, key: TufKey, signature: string): string | undefined {
  if (!/^(?:[0-9a-fA-F]{2})+$/.test(signature)) return undefined;
  try {
    const publicKey = publicKeyOfTuf(key);
    if (!isSignedBy(message, { publicKey, scheme: key.scheme, signature: Buffer.from(signature, 'hex') }))
      return undefined;
    return publicKey.export({ type: 'spki', format: 'der' }).toString('hex');
  } catch {
    // A key that does not parse signs nothing; it must not keep the role's other keys from counting.
    return undefined;
  }
}

interface SignatureParts {
  readonly publicKey: KeyObject;
  readonly scheme: string;
  readonly signature: Buffer;
}

function isSignedBy(message: Buffer, { publicKey, scheme, signature }: SignatureParts): boolean {
  switch (scheme) {
    case 'ed25519':
      return publicKey.asymmetricKeyType === 'ed25519' && verify(null, message, publicKey, signature);
    case 'ecdsa-sha2-nistp256':
      return isCurve(publicKey, 'prime256v1') && verify('sha256', message, publicKey, signature);
    case 'ecdsa-sha2-nistp384':
      return isCurve(publicKey, 'secp384r1') && verify('sha384', message, publicKey, signature);
    case 'rsassa-pss-sha256':
      return publicKey.asymmetricKeyType === 'rsa' && verify('sha256', message, pss(publicKey), signature);
    default:
      return false;
  }
}

const ED25519_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const P256_PREFIX = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d030107034200', 'hex');

function publicKeyOfTuf({ keytype, keyval }: TufKey): KeyObject {
  const text = keyval.public;
  if (!/^[0-9a-fA-F]+$/.test(text)) return createPublicKey(text);
  // Ed25519 keys are bare hex (TUF spec §4.2); early Sigstore roots carry P-256 points as hex too.
  const prefix = keytype === 'ed25519' ? ED25519_PREFIX : P256_PREFIX;
  return createPublicKey({ key: Buffer.concat([prefix, Buffer.from(text, 'hex')]), format: 'der', type: 'spki' });
}

function isCurve(key: KeyObject, curve: string): boolean {
  return key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === curve;
}

function pss(key: KeyObject) {
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_AUTO };
}
