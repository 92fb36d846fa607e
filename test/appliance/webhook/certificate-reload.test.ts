import { copyFile, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';

import test from 'ava';

import { type Log, silentLog } from '../../../appliance/kernel/log.ts';
import { CertificateReload, readServingPair, type ServingPair } from '../../../appliance/webhook/certificate-reload.ts';
import { siteTls } from '../services/site-tls.ts';

function holder() {
  const taken: ServingPair[] = [];
  return { taken, setSecureContext: (pair: ServingPair) => taken.push(pair) };
}

test('a certificate of another key is passed over, and taken once its key is there', async (t) => {
  const tls = await siteTls(t);
  const other = await siteTls(t);
  const complaints: string[] = [];
  const log: Log = { ...silentLog, error: (message) => complaints.push(message) };
  const server = holder();
  const reload = new CertificateReload({ folder: tls.folder, served: await readServingPair(tls.folder) }, server, log);
  await copyFile(path.join(other.folder, 'tls.crt'), path.join(tls.folder, 'tls.crt'));
  t.false(await reload.look());
  t.false(await reload.look());
  t.is(complaints.length, 1);
  await copyFile(path.join(other.folder, 'tls.key'), path.join(tls.folder, 'tls.key'));
  t.true(await reload.look());
  t.is(server.taken.length, 1);
});

for (const [what, damage] of [
  ['gone', async (folder: string) => await rm(path.join(folder, 'tls.crt'))],
  ['empty', async (folder: string) => await writeFile(path.join(folder, 'tls.crt'), '')],
  ['junk', async (folder: string) => await writeFile(path.join(folder, 'tls.key'), 'junk')],
] as const) {
  test(`a file that is ${what} leaves the old pair in use`, async (t) => {
    const tls = await siteTls(t);
    const server = holder();
    const served = await readServingPair(tls.folder);
    const reload = new CertificateReload({ folder: tls.folder, served }, server, silentLog);
    await damage(tls.folder);
    t.false(await reload.look());
    t.is(server.taken.length, 0);
    await t.throwsAsync(readServingPair(tls.folder), { code: 'CERTIFICATE_INVALID' });
  });
}

test("a Secret volume's swap of its ..data link is noticed", async (t) => {
  const [first, second, volume] = [await siteTls(t), await siteTls(t), await siteTls(t)];
  const folder = path.join(volume.folder, 'mounted');
  await mkdir(folder);
  await symlink(first.folder, path.join(folder, '..data'));
  for (const name of ['tls.crt', 'tls.key']) await symlink(path.join('..data', name), path.join(folder, name));
  const server = holder();
  const reload = new CertificateReload({ folder, served: await readServingPair(folder) }, server, silentLog);
  t.false(await reload.look());
  await symlink(second.folder, path.join(folder, '..data_tmp'));
  await rename(path.join(folder, '..data_tmp'), path.join(folder, '..data'));
  t.true(await reload.look());
});
