import https from 'node:https';
import { TLSSocket, connect as tlsConnect } from 'node:tls';

import test, { type ExecutionContext } from 'ava';

import { silentLog } from '../../../appliance/kernel/log.ts';
import { CertificateReload, readServingPair } from '../../../appliance/webhook/certificate-reload.ts';
import type { WebhookHandler } from '../../../appliance/webhook/handler.ts';
import { startServer } from '../../../appliance/webhook/server.ts';
import { siteTls } from '../services/site-tls.ts';
import { createRequest, podSpec, reviewBody, workload } from './support/reviews.ts';
import { testDigest, testHandler } from './support/worlds.ts';

async function serve(t: ExecutionContext, handler: WebhookHandler = testHandler()) {
  const tls = await siteTls(t);
  const pair = await readServingPair(tls.folder);
  const server = await startServer({ host: '127.0.0.1', port: 0, pair, handler, log: silentLog });
  t.teardown(async () => await server.drain(0));
  return { tls, pair, server, port: server.port };
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly fingerprint: string;
  readonly connection: string | undefined;
}

function ask(port: number, options: https.RequestOptions & { ca: string }, body?: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = https.request({ host: '127.0.0.1', port, agent: false, ...options }, (response) => {
      const { socket } = response;
      const { connection } = response.headers;
      const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
      const fingerprint = certificate?.fingerprint256 ?? '';
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString(), fingerprint, connection }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}

test('a review over HTTPS is answered', async (t) => {
  const { tls, port } = await serve(t);
  const body = reviewBody(createRequest('Pod', workload('Pod', podSpec(`example.com/x/good@${testDigest('g')}`))));
  const answer = await ask(port, { ca: tls.ca, method: 'POST', path: '/validate?timeout=10s' }, body);
  t.is(answer.status, 200);
  t.like(JSON.parse(answer.body), { response: { uid: 'uid-1', allowed: true } });
});

test('a body larger than 8 MiB is refused, announced or not', async (t) => {
  const { tls, port } = await serve(t);
  const body = Buffer.alloc(8 * 1024 * 1024 + 1);
  const options = { ca: tls.ca, method: 'POST', path: '/validate' };
  for (const headers of [{ 'content-length': body.byteLength }, { 'transfer-encoding': 'chunked' }]) {
    const status = await ask(port, { ...options, headers }, body).then(
      (answer) => answer.status,
      // The connection may be cut before the client has written everything.
      (error: unknown) => (error as NodeJS.ErrnoException).code,
    );
    t.true([413, 'EPIPE', 'ECONNRESET'].includes(status ?? 0), String(status));
  }
});

test('TLS 1.1 is not spoken', async (t) => {
  const { tls, port } = await serve(t);
  const socket = tlsConnect({ host: '127.0.0.1', port, ca: tls.ca, minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' });
  await t.throwsAsync(
    new Promise((resolve, reject) => {
      socket.on('secureConnect', resolve);
      socket.on('error', reject);
    }),
  );
});

test('a new certificate is served without a restart, the old one until then', async (t) => {
  const { tls, pair, server, port } = await serve(t);
  const reload = new CertificateReload({ folder: tls.folder, served: pair }, server, silentLog);
  const options = { ca: tls.ca, path: '/healthz' };
  const before = await ask(port, options);
  t.false(await reload.look());
  await tls.renew();
  t.is((await ask(port, options)).fingerprint, before.fingerprint);
  t.true(await reload.look());
  t.not((await ask(port, options)).fingerprint, before.fingerprint);
  t.false(await reload.look());
});

test('a server that retires answers, and closes each connection after it', async (t) => {
  const { tls, server, port } = await serve(t);
  const agent = new https.Agent({ keepAlive: true });
  t.teardown(() => agent.destroy());
  const reused = async () => await ask(port, { ca: tls.ca, path: '/healthz', agent });
  t.is((await reused()).connection, 'keep-alive');
  server.retire();
  t.is((await reused()).connection, 'close');
  t.is((await reused()).status, 200);
});

test('draining lets a request under way end', async (t) => {
  const started = Promise.withResolvers<undefined>();
  const release = Promise.withResolvers<undefined>();
  const { tls, server, port } = await serve(t, async () => {
    started.resolve(undefined);
    await release.promise;
    return { status: 200, contentType: 'text/plain', body: 'done' };
  });
  const answer = ask(port, { ca: tls.ca, path: '/' });
  await started.promise;
  const drained = server.drain(10_000);
  release.resolve(undefined);
  t.is((await answer).body, 'done');
  await drained;
  await t.throwsAsync(ask(port, { ca: tls.ca, path: '/' }), { code: 'ECONNREFUSED' });
});

test('draining cuts what does not end', async (t) => {
  const started = Promise.withResolvers<undefined>();
  const { tls, server, port } = await serve(t, async () => {
    started.resolve(undefined);
    return await new Promise(() => undefined);
  });
  const answer = t.throwsAsync(ask(port, { ca: tls.ca, path: '/' }));
  await started.promise;
  await server.drain(1);
  await answer;
});
