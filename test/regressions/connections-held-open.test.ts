// Any pod could open the 1024 connections that the webhook took in all, say nothing, and keep them for two minutes, the
// default of a TLS handshake: the API server got none, and nothing was admitted in the whole cluster.

import { once } from 'node:events';
import https from 'node:https';
import { connect, type Socket } from 'node:net';

import test, { type ExecutionContext } from 'ava';

import { silentLog } from '../../appliance/kernel/log.ts';
import { readServingPair } from '../../appliance/webhook/certificate-reload.ts';
import { type ConnectionLimits, startServer } from '../../appliance/webhook/server.ts';
import { siteTls } from '../appliance/services/site-tls.ts';
import { testHandler } from '../appliance/webhook/support/worlds.ts';

async function serve(t: ExecutionContext, limits: Partial<ConnectionLimits>) {
  const { folder, ca } = await siteTls(t);
  const pair = await readServingPair(folder);
  const options = { host: '127.0.0.1', port: 0, pair, handler: testHandler(), log: silentLog, limits };
  const server = await startServer(options);
  t.teardown(async () => await server.drain(0));
  const open = async (localAddress: string): Promise<Socket> => {
    const socket = connect({ host: '127.0.0.1', port: server.port, localAddress });
    t.teardown(() => socket.destroy());
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    return socket;
  };
  const status = async (): Promise<number> =>
    await new Promise((resolve, reject) => {
      const request = https.get(
        { host: '127.0.0.1', port: server.port, ca, path: '/healthz', agent: false },
        (answer) => {
          answer.resume();
          resolve(answer.statusCode ?? 0);
        },
      );
      request.on('error', reject);
    });
  return { open, status };
}

test('one address can not take all connections', async (t) => {
  const { open, status } = await serve(t, { connections: 6, perAddress: 4 });
  const held = [];
  for (let opened = 0; opened < 4; opened += 1) held.push(await open('127.0.0.2'));
  const more = await open('127.0.0.2');
  await once(more, 'close');
  t.is(await status(), 200);
  t.true(held.every(({ destroyed }) => !destroyed));
});

test('connections that are closed make room for others', async (t) => {
  const { status } = await serve(t, { perAddress: 3 });
  for (let asked = 0; asked < 12; asked += 1) t.is(await status(), 200);
});

test('a connection that never shakes hands is cut', async (t) => {
  const { open } = await serve(t, { handshakeTimeoutMs: 30 });
  const silent = await open('127.0.0.1');
  silent.resume();
  await once(silent, 'close');
  t.true(silent.destroyed);
});
