import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import test from 'ava';

import { openKey, parseKeyFile, readKeyFile, sealKey, writeKeyFile } from '../../trust-root/key-file.ts';
import {
  algorithmOf,
  exportPlainKeyUnsafe,
  exportServiceKey,
  generateKey,
  importPlainKey,
  importServiceKey,
  parsePublicKey,
  publicKeyFingerprint,
  publicKeyPem,
} from '../../trust-root/keys.ts';
import { openssl } from '../support/openssl.ts';

const same = (a: KeyObject, b: KeyObject): boolean => publicKeyFingerprint(a) === publicKeyFingerprint(b);

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-keys-'));
  try {
    await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

for (const algorithm of ['p256', 'ed25519'] as const) {
  test(`a ${algorithm} key sealed in a file opens with its passphrase`, async (t) => {
    await withFolder(async (folder) => {
      const key = generateKey(algorithm);
      const file = path.join(folder, 'keys', 'root-1.json');
      await writeKeyFile(file, key, 'correct horse');
      t.true(same(await readKeyFile(file, 'correct horse'), key));
      t.is((await stat(file)).mode & 0o777, 0o600);
    });
  });

  test(`a plain ${algorithm} key goes out and in`, (t) => {
    const key = generateKey(algorithm);
    t.true(same(importPlainKey(exportPlainKeyUnsafe(key)), key));
    t.is(algorithmOf(parsePublicKey(publicKeyPem(key))), algorithm);
  });
}

test('a key file is never overwritten', async (t) => {
  await withFolder(async (folder) => {
    const file = path.join(folder, 'root-1.json');
    await writeKeyFile(file, generateKey('p256'), 'first');
    const before = await readFile(file);
    await t.throwsAsync(() => writeKeyFile(file, generateKey('p256'), 'second'), { code: 'KEY_FILE_EXISTS' });
    t.deepEqual(await readFile(file), before);
  });
});

test('a key file holds neither the key nor the passphrase in the clear', async (t) => {
  const key = generateKey('p256');
  const text = JSON.stringify(await sealKey(key, 'correct horse'));
  const secret = key.export({ format: 'jwk' }).d ?? '';
  t.false(text.includes('correct horse'));
  t.false(text.includes(secret) || text.includes(Buffer.from(secret, 'base64url').toString('base64')));
});

test('a wrong passphrase is refused', async (t) => {
  const sealed = await sealKey(generateKey('p256'), 'right');
  await t.throwsAsync(() => openKey(sealed, 'wrong'), { code: 'PASSPHRASE_WRONG' });
});

test('an altered public key in a key file is refused', async (t) => {
  const sealed = await sealKey(generateKey('p256'), 'right');
  const other = await sealKey(generateKey('p256'), 'right');
  await t.throwsAsync(() => openKey({ ...sealed, publicKey: other.publicKey }, 'right'), { code: 'PASSPHRASE_WRONG' });
});

test('a key file with a weaker work factor is refused', async (t) => {
  const sealed = await sealKey(generateKey('p256'), 'right');
  const weaker = { ...sealed, kdf: { ...sealed.kdf, n: 1024 } };
  t.throws(() => parseKeyFile(Buffer.from(JSON.stringify(weaker)), 'weaker'), { code: 'KEY_FILE_INVALID' });
});

test('an empty passphrase is refused', async (t) => {
  await t.throwsAsync(() => sealKey(generateKey('p256'), ''), { code: 'PASSPHRASE_EMPTY' });
  t.throws(() => exportServiceKey(generateKey('p256'), ''), { code: 'PASSPHRASE_EMPTY' });
});

test('P-384 is refused', (t) => {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
  t.throws(() => algorithmOf(key), { code: 'KEY_UNSUPPORTED' });
});

test('a service key is a legacy SEC 1 PEM that openssl opens with its passphrase', async (t) => {
  const key = generateKey('p256');
  const pem = exportServiceKey(key, 'pass-word');
  t.true(pem.startsWith('-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,'));
  const out = await openssl(['ec', '-passin', 'env:PASS', '-outform', 'PEM'], pem, { PASS: 'pass-word' });
  t.true(same(createPrivateKey(out), key));
  t.true(same(importServiceKey(pem, 'pass-word'), key));
  t.throws(() => importServiceKey(pem, 'other'), { code: 'PASSPHRASE_WRONG' });
});
