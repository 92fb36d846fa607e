import { generateKeyPairSync } from 'node:crypto';
import { stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

import test from 'ava';
import {
  makeReleaseKey,
  readPassphrase,
  readReleaseKey,
  trustedFingerprint,
} from '../../../appliance/bundle/release-key.ts';
import { keyFingerprint } from '../../../mirror/inventory-signature.ts';
import { temporaryFolder } from '../../mirror/support/world.ts';

const PASSPHRASE = 'correct horse battery';

test('a key is made once, encrypted, for its owner only, and opens with its passphrase', async (t) => {
  const file = path.join(await temporaryFolder(t), 'release.key');
  const fingerprint = await makeReleaseKey(file, PASSPHRASE);
  t.is((await stat(file)).mode & 0o777, 0o600);
  const signer = await readReleaseKey(file, PASSPHRASE);
  t.is(keyFingerprint(signer.publicKey), fingerprint);
  t.is(await trustedFingerprint(`${file}.pub`), fingerprint);
  t.is(await trustedFingerprint(fingerprint), fingerprint);
  await t.throwsAsync(makeReleaseKey(file, PASSPHRASE), { code: 'KEY_FILE_EXISTS' });
});

test('a wrong passphrase is refused, and not told', async (t) => {
  const file = path.join(await temporaryFolder(t), 'release.key');
  await makeReleaseKey(file, PASSPHRASE);
  const error = await t.throwsAsync(readReleaseKey(file, 'hunter2hunter2'), { code: 'KEY_FILE_INVALID' });
  t.false(error.message.includes('hunter2'));
});

test('a short passphrase is refused', async (t) => {
  await t.throwsAsync(makeReleaseKey(path.join(await temporaryFolder(t), 'k'), 'short'), {
    code: 'PASSPHRASE_MISSING',
  });
});

test('a key that is not encrypted is refused', async (t) => {
  const file = path.join(await temporaryFolder(t), 'plain.key');
  const { privateKey } = generateKeyPairSync('ed25519');
  await writeFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }));
  await t.throwsAsync(readReleaseKey(file, PASSPHRASE), { code: 'KEY_FILE_INVALID' });
});

test('a passphrase comes from the environment or the first line of a file', async (t) => {
  const file = path.join(await temporaryFolder(t), 'pass');
  await writeFile(file, 'from the file\nnot this\n');
  t.is(await readPassphrase({ from: 'file', path: file }, {}), 'from the file');
  t.is(await readPassphrase({ from: 'env', name: 'P' }, { P: 'from the environment' }), 'from the environment');
  await t.throwsAsync(readPassphrase({ from: 'env', name: 'P' }, {}), { code: 'PASSPHRASE_MISSING' });
  await t.throwsAsync(readPassphrase({ from: 'file', path: '/nowhere' }, {}), { code: 'PASSPHRASE_MISSING' });
});

test('what is neither a fingerprint nor a key file is no trusted key', async (t) => {
  await t.throwsAsync(trustedFingerprint('sha256:abc'), { code: 'TRUST_KEY_INVALID' });
});
