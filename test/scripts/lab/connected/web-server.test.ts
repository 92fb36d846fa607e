import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { fileHandler, issuerHandler } from '../../../../scripts/lab/connected/web-server.ts';

async function serving(t: ExecutionContext, handler: RequestListener): Promise<number> {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Asks with the path exactly as given: fetch would tidy it up. */
async function statusOf(port: number, rawPath: string, method = 'GET'): Promise<number> {
  return await new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path: rawPath, method }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
    });
    asked.on('error', reject).end();
  });
}

async function files(t: ExecutionContext): Promise<number> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-web-'));
  t.teardown(async () => await rm(folder, { recursive: true }));
  await mkdir(path.join(folder, 'served/targets'), { recursive: true });
  await writeFile(path.join(folder, 'served/1.root.json'), '{}');
  await writeFile(path.join(folder, 'secret'), 'secret');
  return await serving(t, fileHandler(path.join(folder, 'served')));
}

test('a file is served', async (t) => t.is(await statusOf(await files(t), '/1.root.json'), 200));
test('the next root that is not there is 404', async (t) => t.is(await statusOf(await files(t), '/2.root.json'), 404));
test('a folder is not listed', async (t) => t.is(await statusOf(await files(t), '/targets'), 404));
test('nothing outside is served', async (t) => t.is(await statusOf(await files(t), '/../secret'), 404));
test('nor by an escaped path', async (t) => t.is(await statusOf(await files(t), '/%2e%2e/secret'), 404));
test('nothing can be written', async (t) => t.is(await statusOf(await files(t), '/1.root.json', 'PUT'), 405));

test('an issuer answers under the name that it was asked by', async (t) => {
  const port = await serving(t, issuerHandler({ keys: [] }));
  const answer = await fetch(`http://127.0.0.1:${port}/.well-known/openid-configuration`);
  const issuer = `https://127.0.0.1:${port}`;
  t.like(await answer.json(), { issuer, jwks_uri: `${issuer}/keys` });
});
