import http from 'node:http';
import http2 from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';

import test, { type ExecutionContext } from 'ava';

import { boundedFetch } from '../../../appliance/kernel/bounded-fetch.ts';
import { silentLog } from '../../../appliance/kernel/log.ts';
import { parseAddress } from '../../../appliance/services/address.ts';
import { type ProxyLimits, startTlsProxy } from '../../../appliance/services/tls-proxy.ts';
import { siteTls } from './site-tls.ts';

interface ProxySettings {
  readonly alpn?: readonly string[];
  readonly limits?: Partial<ProxyLimits>;
}

async function proxyTo(t: ExecutionContext, port: number, settings: ProxySettings = {}) {
  const site = await siteTls(t);
  const abort = new AbortController();
  const running = await startTlsProxy({
    listen: parseAddress('127.0.0.1:0'),
    to: parseAddress(`127.0.0.1:${port}`),
    tlsDir: site.folder,
    log: silentLog,
    signal: abort.signal,
    ...settings,
  });
  t.teardown(async () => {
    abort.abort();
    await running.closed;
  });
  return { ...site, abort, running, port: running.port };
}

async function listening(t: ExecutionContext, server: net.Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** A server that tells back what it got once the client has ended its half. */
function echoAtEnd(): net.Server {
  return net.createServer({ allowHalfOpen: true }, (socket) => {
    const got: Buffer[] = [];
    socket.on('data', (chunk) => got.push(chunk));
    socket.on('end', () => socket.end(`got ${Buffer.concat(got).byteLength}`));
  });
}

async function connect(ca: string, port: number): Promise<tls.TLSSocket> {
  const raw = net.connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  const socket = tls.connect({ socket: raw, ca, servername: 'localhost' });
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', () => resolve());
    socket.once('error', reject);
  });
  return socket;
}

async function allOf(socket: net.Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  return text;
}

test('HTTP passes', async (t) => {
  const port = await listening(
    t,
    http.createServer((_, response) => response.end('behind')),
  );
  const { ca, port: proxied } = await proxyTo(t, port);
  const { body } = await boundedFetch(new URL(`https://localhost:${proxied}/x`), { ca, maxBytes: 100 });
  t.is(body.toString(), 'behind');
});

test('the answer still comes after the client has ended its half, large or small', async (t) => {
  const { ca, port } = await proxyTo(t, await listening(t, echoAtEnd()));
  for (const size of [0, 1, 3_000_000]) {
    const socket = await connect(ca, port);
    socket.end(Buffer.alloc(size, 1));
    t.is(await allOf(socket), `got ${size}`);
  }
});

test('HTTP/2 without TLS behind it is reached by a client that asks for h2', async (t) => {
  const behind = http2.createServer((_, response) => response.end('two'));
  const port = await listening(t, behind);
  const { ca, port: proxied } = await proxyTo(t, port, { alpn: ['h2', 'http/1.1'] });
  const session = http2.connect(`https://localhost:${proxied}`, { ca });
  const stream = session.request({ ':path': '/' });
  let text = '';
  for await (const chunk of stream) text += String(chunk);
  session.close();
  t.is(text, 'two');
});

test('a server that is not there closes the connection at once', async (t) => {
  const gone = net.createServer();
  const port = await listening(t, gone);
  await new Promise((resolve) => gone.close(resolve));
  const { ca, port: proxied } = await proxyTo(t, port);
  const socket = await connect(ca, proxied);
  t.is(await allOf(socket).catch(() => ''), '');
});

test('a connection on which nothing moves is closed', async (t) => {
  const silent = net.createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => undefined));
  const { ca, port } = await proxyTo(t, await listening(t, silent), { limits: { idleTimeoutMs: 50 } });
  const socket = await connect(ca, port);
  t.is(await allOf(socket).catch(() => ''), '');
});

test('a client that breaks off takes the connection behind it along', async (t) => {
  const reached = Promise.withResolvers<net.Socket>();
  const behind = net.createServer((socket) => reached.resolve(socket.resume()));
  const { ca, port } = await proxyTo(t, await listening(t, behind));
  const client = await connect(ca, port);
  const socket = await reached.promise;
  client.destroy();
  await new Promise((resolve) => socket.once('close', resolve));
  t.pass();
});

test('after the signal connections under way are let finish, new ones refused', async (t) => {
  const { ca, port, abort, running } = await proxyTo(t, await listening(t, echoAtEnd()));
  const socket = await connect(ca, port);
  abort.abort();
  await t.throwsAsync(connect(ca, port));
  socket.end('late');
  t.is(await allOf(socket), 'got 4');
  await running.closed;
});

test('a connection that does not end is cut after the drain time', async (t) => {
  const behind = net.createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => undefined));
  const { ca, port, abort, running } = await proxyTo(t, await listening(t, behind), { limits: { drainMs: 20 } });
  const socket = await connect(ca, port);
  socket.on('error', () => undefined);
  abort.abort();
  await running.closed;
  t.pass();
});

test('a folder without a certificate is an error that says what is missing', async (t) => {
  const { folder } = await siteTls(t);
  const options = { listen: { port: 0 }, to: { port: 1 }, log: silentLog, signal: AbortSignal.abort() };
  await t.throwsAsync(startTlsProxy({ ...options, tlsDir: `${folder}/none` }), { code: 'CERTIFICATE_INVALID' });
});

test('addresses are read', (t) => {
  t.deepEqual(parseAddress(':8443'), { port: 8443 });
  t.deepEqual(parseAddress('[::1]:0'), { host: '::1', port: 0 });
  t.deepEqual(parseAddress('rekor.sigstore-system:443'), { host: 'rekor.sigstore-system', port: 443 });
  for (const wrong of ['', '8443', 'a:b', ':70000', '::1:8', 'http://x:1', 'a/b:1']) {
    t.throws(() => parseAddress(wrong), { code: 'ADDRESS_INVALID' }, wrong);
  }
});
