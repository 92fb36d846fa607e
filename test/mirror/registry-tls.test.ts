import { readFile } from 'node:fs/promises';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';

import test, { type ExecutionContext } from 'ava';
import { memoryRegistry } from '../../mirror/memory-registry.ts';
import { siteTls } from '../appliance/services/site-tls.ts';
import { repositoryAt } from './support/server.ts';

async function tlsRegistry(t: ExecutionContext): Promise<{ origin: string; ca: string }> {
  const { ca, folder } = await siteTls(t);
  const [cert, key] = await Promise.all(
    ['tls.crt', 'tls.key'].map(async (name) => await readFile(path.join(folder, name))),
  );
  if (cert === undefined || key === undefined) throw new Error('no certificate');
  const server = https.createServer({ cert, key }, memoryRegistry().handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { origin: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, ca };
}

test('a registry under a private CA is taken by clients that are given the CA', async (t) => {
  const { origin, ca } = await tlsRegistry(t);
  t.is(await repositoryAt(t, origin, { ca }).manifest('v1'), undefined);
});

test('the CA may be one of several', async (t) => {
  const { origin, ca } = await tlsRegistry(t);
  const other = (await siteTls(t)).ca;
  t.is(await repositoryAt(t, origin, { ca: `${other}\n${ca}` }).manifest('v1'), undefined);
});

test('a registry under a CA that is not given, or another one, is not talked to', async (t) => {
  const { origin } = await tlsRegistry(t);
  const other = (await siteTls(t)).ca;
  for (const options of [{}, { ca: other }]) {
    const error = await t.throwsAsync(repositoryAt(t, origin, options).manifest('v1'), {
      code: 'REGISTRY_UNREACHABLE',
    });
    t.regex(String(error.cause), /certificate/);
  }
});

test('a registry under another name than its certificate has is not talked to', async (t) => {
  const { origin, ca } = await tlsRegistry(t);
  const elsewhere = origin.replace('127.0.0.1', '127.0.0.2');
  await t.throwsAsync(repositoryAt(t, elsewhere, { ca }).manifest('v1'), { code: 'REGISTRY_UNREACHABLE' });
});
