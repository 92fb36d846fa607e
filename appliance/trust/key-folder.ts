import { createPublicKey, type KeyObject } from 'node:crypto';
import { mkdir, open, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

import { parseKeyFile, readKeyFile, writeKeyFile } from '../../trust-root/key-file.ts';
import { exportPlainKeyUnsafe, generateKey, importPlainKey, type KeyAlgorithm } from '../../trust-root/keys.ts';
import { keySigner, type Signer, tufKeyOf } from '../../trust-root/signer.ts';
import { TrustRootError } from '../../trust-root/trust-root-error.ts';
import type { RoleKeys } from '../../trust-root/tuf-documents.ts';
import { keyIdOf } from '../../trust-root/tuf-signatures.ts';
import type { Runtime } from '../runtime.ts';

/** Roles whose keys are passphrase-encrypted files, kept outside of the cluster. */
export type OfflineRole = 'root' | 'targets' | 'upstream';
/** Roles whose keys the cluster holds. */
export type OnlineRole = 'snapshot' | 'timestamp' | 'site-state';

const ONLINE_ROLES: readonly OnlineRole[] = ['snapshot', 'timestamp', 'site-state'];

/** The file of an offline key; the installer names its files alike. */
function offlineFile(folder: string, role: OfflineRole, number: number): string {
  return path.join(folder, `tuf-${role}-${number}.key.json`);
}

/** Makes `count` new offline keys of a role. @throws TrustRootError `KEY_FILE_EXISTS`. */
export async function makeOfflineKeys(
  folder: string,
  { role, count, algorithm }: { role: OfflineRole; count: number; algorithm: KeyAlgorithm },
  passphrase: string,
): Promise<Signer[]> {
  const signers: Signer[] = [];
  for (let number = 1; number <= count; number += 1) {
    const key = generateKey(algorithm);
    await writeKeyFile(offlineFile(folder, role, number), key, passphrase);
    signers.push(keySigner(key));
  }
  return signers;
}

/**
 * Opens as many of a role's present keys as must sign. A key file tells its public key without the passphrase, so files
 * of retired keys are passed over.
 * @throws TrustRootError `SIGNER_MISSING`, `PASSPHRASE_WRONG`, `KEY_FILE_INVALID`.
 */
export async function openOfflineKeys(
  folder: string,
  { role, keys }: { role: OfflineRole; keys: RoleKeys },
  passphrase: string,
): Promise<Signer[]> {
  const names = await readdir(folder).catch(() => []);
  const signers: Signer[] = [];
  for (const name of names.filter((candidate) => candidate.endsWith('.key.json')).sort()) {
    if (signers.length === keys.threshold) break;
    const file = path.join(folder, name);
    if (keys.keyIds.includes(await keyIdIn(file))) signers.push(keySigner(await readKeyFile(file, passphrase)));
  }
  if (signers.length === keys.threshold) return signers;
  throw new TrustRootError(
    'SIGNER_MISSING',
    `${keys.threshold} keys of ${role} must sign, ${folder} has ${signers.length}`,
    {
      fix: 'name the folder with the key files with --keys',
    },
  );
}

async function keyIdIn(file: string): Promise<string> {
  const { publicKey } = parseKeyFile(await readFile(file), file);
  return keyIdOf(tufKeyOf(createPublicKey({ key: Buffer.from(publicKey, 'base64'), format: 'der', type: 'spki' })));
}

/** Makes the online keys in the clear, 0600: what a cluster keeps in a Secret. @throws TrustRootError `KEY_FILE_EXISTS`. */
export async function makeOnlineKeys(folder: string, algorithm: KeyAlgorithm): Promise<Record<OnlineRole, Signer>> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const keys = new Map<OnlineRole, KeyObject>();
  for (const role of ONLINE_ROLES) {
    const key = generateKey(algorithm);
    await writePlainKey(path.join(folder, `${role}.pem`), key);
    keys.set(role, key);
  }
  return signersOf((role) => keys.get(role));
}

async function writePlainKey(file: string, key: KeyObject): Promise<void> {
  const handle = await open(file, 'wx', 0o600).catch((cause: unknown) => {
    throw new TrustRootError('KEY_FILE_EXISTS', `${file}: already there, or not writable`, { cause });
  });
  try {
    await handle.writeFile(exportPlainKeyUnsafe(key));
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Reads the online keys: `snapshot.pem`, `timestamp.pem`, `site-state.pem`. @throws TrustRootError `SIGNER_MISSING`, `KEY_UNSUPPORTED`. */
export async function readOnlineKeys(folder: string): Promise<Record<OnlineRole, Signer>> {
  const keys = new Map<OnlineRole, KeyObject>();
  for (const role of ONLINE_ROLES) {
    const file = path.join(folder, `${role}.pem`);
    const pem = await readFile(file, 'utf8').catch((cause: unknown) => {
      throw new TrustRootError('SIGNER_MISSING', `${file}: could not be read`, { cause });
    });
    keys.set(role, importPlainKey(pem));
  }
  return signersOf((role) => keys.get(role));
}

function signersOf(keyOf: (role: OnlineRole) => KeyObject | undefined): Record<OnlineRole, Signer> {
  const signer = (role: OnlineRole): Signer => {
    const key = keyOf(role);
    if (key === undefined) throw new TrustRootError('SIGNER_MISSING', `no key for ${role}`);
    return keySigner(key);
  };
  return { snapshot: signer('snapshot'), timestamp: signer('timestamp'), 'site-state': signer('site-state') };
}

/** The passphrase of the key files: the first line of a file, or `SEALIFT_PASSPHRASE`. Never an argument. @throws TrustRootError `PASSPHRASE_EMPTY`. */
export async function readPassphrase(runtime: Runtime, file: string | undefined): Promise<string> {
  const text =
    file === undefined
      ? runtime.env['SEALIFT_PASSPHRASE']
      : await readFile(path.resolve(runtime.cwd, file), 'utf8').catch(unreadable);
  const passphrase = text?.split('\n')[0]?.replace(/\r$/, '') ?? '';
  if (passphrase !== '') return passphrase;
  throw new TrustRootError('PASSPHRASE_EMPTY', 'no passphrase for the key files', {
    fix: 'give --passphrase-file FILE, or set SEALIFT_PASSPHRASE',
  });
}

function unreadable(cause: unknown): never {
  throw new TrustRootError('PASSPHRASE_EMPTY', 'the passphrase file could not be read', { cause });
}
