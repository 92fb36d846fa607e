import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';

import { type InventorySigner, keyFingerprint, keySigner } from '../../mirror/inventory-signature.ts';
import { type Digest, isDigest } from '../kernel/digest.ts';
import { BundleError } from './bundle-error.ts';

/** Where a passphrase comes from. */
export type PassphraseSource =
  | { readonly from: 'file'; readonly path: string }
  | { readonly from: 'env'; readonly name: string };

const MIN_PASSPHRASE = 12;

/**
 * Makes a release key: Ed25519, PKCS #8 in PEM, encrypted (PBES2, AES-256-CBC), readable by its owner only; and beside it
 * the public key, `<file>.pub`.
 * @returns the fingerprint that people compare.
 * @throws BundleError `KEY_FILE_EXISTS`, `PASSPHRASE_MISSING` for one that is too short.
 */
export async function makeReleaseKey(file: string, passphrase: string): Promise<Digest> {
  if (passphrase.length < MIN_PASSPHRASE) {
    throw new BundleError('PASSPHRASE_MISSING', `the passphrase has less than ${MIN_PASSPHRASE} characters`);
  }
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase });
  await writeNew(file, pem, 0o600);
  await writeNew(`${file}.pub`, publicKey.export({ type: 'spki', format: 'pem' }), 0o644);
  return keyFingerprint(publicKey.export({ type: 'spki', format: 'der' }));
}

/** Opens a release key. @throws BundleError `KEY_FILE_INVALID` for another file or a wrong passphrase. */
export async function readReleaseKey(file: string, passphrase: string): Promise<InventorySigner> {
  const pem = await readFile(file).catch((cause: unknown) => {
    throw new BundleError('KEY_FILE_INVALID', `${file} can't be read`, { cause, fix: 'sealift bundle keygen' });
  });
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, format: 'pem', passphrase });
  } catch {
    // OpenSSL's own error is left out: it tells nothing, and is not worth the risk of telling too much.
    throw new BundleError('KEY_FILE_INVALID', `${file} can't be opened: another passphrase, or no private key in PEM`);
  }
  if (!pem.includes('ENCRYPTED PRIVATE KEY')) {
    throw new BundleError('KEY_FILE_INVALID', `${file} is not encrypted`, {
      fix: 'openssl pkcs8 -topk8 -v2 aes-256-cbc, or make a new one with sealift bundle keygen',
    });
  }
  return keySigner(key);
}

/** The passphrase from a file (its first line) or the environment. @throws BundleError `PASSPHRASE_MISSING`. */
export async function readPassphrase(
  source: PassphraseSource,
  env: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const text =
    source.from === 'env'
      ? env[source.name]
      : (await readFile(source.path, 'utf8').catch(() => undefined))?.split(/\r?\n/, 1)[0];
  if (text !== undefined && text !== '') return text;
  const where = source.from === 'env' ? `the environment variable ${source.name}` : source.path;
  throw new BundleError('PASSPHRASE_MISSING', `there is no passphrase in ${where}`);
}

/**
 * The fingerprint of a key that is trusted to sign bundles: `sha256:…` as it is, or that of a public key in a PEM file.
 * @throws BundleError `TRUST_KEY_INVALID`.
 */
export async function trustedFingerprint(text: string): Promise<Digest> {
  if (isDigest(text)) return text;
  try {
    const key = createPublicKey(await readFile(text));
    return keyFingerprint(key.export({ type: 'spki', format: 'der' }));
  } catch (cause) {
    throw new BundleError('TRUST_KEY_INVALID', `${text} is neither sha256:… nor a public key file`, {
      cause,
      fix: 'give the fingerprint that sealift bundle keygen printed, or the .pub file that it wrote',
    });
  }
}

async function writeNew(file: string, content: string | Buffer, mode: number): Promise<void> {
  const handle = await open(file, 'wx', mode).catch((cause: unknown) => {
    const exists = cause instanceof Error && 'code' in cause && cause.code === 'EEXIST';
    throw new BundleError('KEY_FILE_EXISTS', `${file} ${exists ? 'is there already' : "can't be written"}`, {
      cause,
      fix: 'name another file',
    });
  });
  try {
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
