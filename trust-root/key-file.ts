import { createCipheriv, createDecipheriv, createPrivateKey, type KeyObject, randomBytes, scrypt } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import path from 'node:path';

import { z } from 'zod';

import { syncDirectory } from '../appliance/kernel/atomic-file.ts';
import { canonicalJson, parseJson } from '../appliance/kernel/json.ts';
import { algorithmOf, publicKeyDer } from './keys.ts';
import { TrustRootError } from './trust-root-error.ts';

/**
 * A passphrase-encrypted private key. The key (PKCS #8 DER) is sealed with AES-256-GCM under
 * scrypt(passphrase in UTF-8 NFKC, salt, N = 2^17, r = 8, p = 1, 32 bytes); the additional data is the canonical JSON
 * (RFC 8785) of everything but `ciphertext` and `tag`. Binary members are base64.
 */
export interface EncryptedKeyFile {
  readonly schemaVersion: 1;
  readonly type: 'sealift-encrypted-key';
  readonly algorithm: 'p256' | 'ed25519';
  /** SubjectPublicKeyInfo DER. */
  readonly publicKey: string;
  readonly kdf: {
    readonly name: 'scrypt';
    readonly n: number;
    readonly r: number;
    readonly p: number;
    readonly salt: string;
  };
  readonly cipher: { readonly name: 'aes-256-gcm'; readonly nonce: string };
  readonly ciphertext: string;
  readonly tag: string;
}

const MIN_N = 2 ** 17;
const MAX_N = 2 ** 20;
const MAX_FILE_BYTES = 16 * 1024;

const base64 = z.string().regex(/^[A-Za-z0-9+/]+={0,2}$/);
const encryptedKeyFile = z.strictObject({
  schemaVersion: z.literal(1),
  type: z.literal('sealift-encrypted-key'),
  algorithm: z.enum(['p256', 'ed25519']),
  publicKey: base64,
  // Bounded on both sides: below is a downgrade, above eats the reader's memory (128 * n * r bytes).
  kdf: z.strictObject({
    name: z.literal('scrypt'),
    n: z.int().min(MIN_N).max(MAX_N),
    r: z.literal(8),
    p: z.int().min(1).max(4),
    salt: base64,
  }),
  cipher: z.strictObject({ name: z.literal('aes-256-gcm'), nonce: base64 }),
  ciphertext: base64,
  tag: base64,
});

/** Seals a private key under a passphrase. @throws TrustRootError `PASSPHRASE_EMPTY`, `KEY_UNSUPPORTED`. */
export async function sealKey(key: KeyObject, passphrase: string): Promise<EncryptedKeyFile> {
  if (passphrase === '') throw new TrustRootError('PASSPHRASE_EMPTY', 'a key file needs a passphrase');
  const header = {
    schemaVersion: 1 as const,
    type: 'sealift-encrypted-key' as const,
    algorithm: algorithmOf(key),
    publicKey: publicKeyDer(key).toString('base64'),
    kdf: { name: 'scrypt' as const, n: MIN_N, r: 8, p: 1, salt: randomBytes(32).toString('base64') },
    cipher: { name: 'aes-256-gcm' as const, nonce: randomBytes(12).toString('base64') },
  };
  const secret = await deriveKey(passphrase, header.kdf);
  const cipher = createCipheriv('aes-256-gcm', secret, Buffer.from(header.cipher.nonce, 'base64'));
  cipher.setAAD(Buffer.from(canonicalJson(header)));
  const plain = key.export({ type: 'pkcs8', format: 'der' });
  const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()]);
  return { ...header, ciphertext: ciphertext.toString('base64'), tag: cipher.getAuthTag().toString('base64') };
}

/** Opens a sealed key. @throws TrustRootError `PASSPHRASE_WRONG` (or altered), `KEY_FILE_INVALID`. */
export async function openKey(file: EncryptedKeyFile, passphrase: string): Promise<KeyObject> {
  const { ciphertext, tag, ...header } = file;
  const secret = await deriveKey(passphrase, header.kdf);
  let key: KeyObject;
  try {
    const nonce = Buffer.from(header.cipher.nonce, 'base64');
    const decipher = createDecipheriv('aes-256-gcm', secret, nonce, { authTagLength: 16 });
    decipher.setAAD(Buffer.from(canonicalJson(header)));
    decipher.setAuthTag(Buffer.from(tag, 'base64'));
    const plain = Buffer.concat([decipher.update(Buffer.from(ciphertext, 'base64')), decipher.final()]);
    key = createPrivateKey({ key: plain, format: 'der', type: 'pkcs8' });
  } catch (cause) {
    throw new TrustRootError('PASSPHRASE_WRONG', 'the key file does not open: another passphrase, or an altered file', {
      cause,
    });
  }
  if (publicKeyDer(key).toString('base64') !== header.publicKey) {
    throw new TrustRootError('KEY_FILE_INVALID', 'the key file names another public key than it holds');
  }
  return key;
}

/** Reads the JSON of a key file. @throws TrustRootError `KEY_FILE_INVALID`. */
export function parseKeyFile(bytes: Uint8Array, what: string): EncryptedKeyFile {
  try {
    return encryptedKeyFile.parse(parseJson(bytes, what, { maxBytes: MAX_FILE_BYTES, maxDepth: 4 }));
  } catch (cause) {
    throw new TrustRootError('KEY_FILE_INVALID', `${what}: not an encrypted key file`, { cause });
  }
}

/**
 * Writes a key to a new file, sealed, mode 0600, durably.
 * @throws TrustRootError `KEY_FILE_EXISTS`: a key is never overwritten. `PASSPHRASE_EMPTY`.
 */
export async function writeKeyFile(file: string, key: KeyObject, passphrase: string): Promise<void> {
  const sealed = `${JSON.stringify(await sealKey(key, passphrase), undefined, 2)}\n`;
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const handle = await open(file, 'wx', 0o600).catch((cause: unknown) => {
    throw new TrustRootError('KEY_FILE_EXISTS', `${file}: already there, or not writable; a key is never overwritten`, {
      cause,
      fix: `keep it, or move it away if it is not in use: mv ${file} ${file}.old`,
    });
  });
  try {
    await handle.writeFile(sealed);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await syncDirectory(path.dirname(file));
}

/** Reads and opens a key file. @throws TrustRootError `KEY_FILE_INVALID`, `PASSPHRASE_WRONG`. */
export async function readKeyFile(file: string, passphrase: string): Promise<KeyObject> {
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw new TrustRootError('KEY_FILE_INVALID', `${file}: could not be read`, { cause });
  });
  return openKey(parseKeyFile(bytes, file), passphrase);
}

function deriveKey(passphrase: string, kdf: EncryptedKeyFile['kdf']): Promise<Buffer> {
  const options = { N: kdf.n, r: kdf.r, p: kdf.p, maxmem: 256 * kdf.n * kdf.r };
  return new Promise((resolve, reject) => {
    scrypt(passphrase.normalize('NFKC'), Buffer.from(kdf.salt, 'base64'), 32, options, (error, key) => {
      if (error) reject(error);
      else resolve(key);
    });
  });
}
