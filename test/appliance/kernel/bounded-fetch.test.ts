import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

import test, { type ExecutionContext } from 'ava';

import { boundedFetch } from '../../../appliance/kernel/bounded-fetch.ts';
import { KernelError } from '../../../appliance/kernel/coded-error.ts';

async function serve(t: ExecutionContext, handler: http.RequestListener): Promise<URL> {
  const server = http.createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
}

async function refusal(t: ExecutionContext, promise: Promise<unknown>): Promise<KernelError | undefined> {
  return t.throwsAsync(promise, { instanceOf: KernelError });
}

test('an answer comes with its status and body', async (t) => {
  const url = await serve(t, (_, response) => response.writeHead(404).end('no such thing'));
  const { status, body } = await boundedFetch(url, { maxBytes: 100 });
  t.is(status, 404);
  t.is(body.toString(), 'no such thing');
});

test('endless data is cut off at the limit', async (t) => {
  const url = await serve(t, (_, response) => {
    const pump = (): void => {
      while (response.write(Buffer.alloc(65_536)));
      response.once('drain', pump);
    };
    pump();
  });
  t.is((await refusal(t, boundedFetch(url, { maxBytes: 1_000_000 })))?.code, 'TOO_LARGE');
});

test('a server that never answers is given up', async (t) => {
  const url = await serve(t, () => undefined);
  t.is((await refusal(t, boundedFetch(url, { maxBytes: 100, timeoutMs: 50 })))?.code, 'TIMEOUT');
});

test('an answer that breaks off is an error, never a shorter answer', async (t) => {
  const url = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': '100' });
    response.write('half');
    setImmediate(() => response.destroy());
  });
  t.is((await refusal(t, boundedFetch(url, { maxBytes: 100 })))?.code, 'FETCH_FAILED');
});

test('a redirect is handed on, not followed', async (t) => {
  const url = await serve(t, (_, response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end());
  t.is((await boundedFetch(url, { maxBytes: 100 })).status, 302);
});

test('a file that is not there answers 404', async (t) => {
  t.is((await boundedFetch(new URL('file:///nonexistent/root.json'), { maxBytes: 100 })).status, 404);
});

test('another scheme is refused', async (t) => {
  t.is((await refusal(t, boundedFetch(new URL('ftp://127.0.0.1/'), { maxBytes: 1 })))?.code, 'FETCH_FAILED');
});
