import net, { type AddressInfo } from 'node:net';
import { PassThrough, Writable } from 'node:stream';

import { type KubeConfig, PortForward as PodPortForward } from '@kubernetes/client-node';

import type { PortForward, PortForwardTarget } from './cluster.ts';

/** The first byte of a frame from us: the data stream of the only port (`v4.channel.k8s.io`). */
const DATA_STREAM = Buffer.of(0);
const HIGH_WATER_BYTES = 1024 * 1024;

/**
 * Listens on 127.0.0.1 and carries each connection to the pod's port through the API server, over its own web socket.
 * What the client sends waits while the web socket is behind, so that an image pushed through it never piles up in memory.
 */
export async function openPortForward(config: KubeConfig, target: PortForwardTarget): Promise<PortForward> {
  const forwarder = new PodPortForward(config);
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.pause();
    void carry(forwarder, target, socket).catch(() => socket.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}

/** The part of the `ws` library's socket that is used here; client-node's types name it without bringing it along. */
interface ForwardSocket {
  readonly bufferedAmount: number;
  send(frame: Buffer, sent: () => void): void;
  close(): void;
  onclose: (() => void) | null;
  onerror: (() => void) | null;
}

async function carry(forwarder: PodPortForward, target: PortForwardTarget, socket: net.Socket): Promise<void> {
  const toClient = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      if (chunk.byteLength > 0 && !socket.destroyed) socket.write(chunk);
      done();
    },
  });
  const failed = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      if (chunk.byteLength > 0) socket.destroy();
      done();
    },
  });
  // Never written to: what the client sends goes to the web socket directly, below, where its backlog can be seen.
  const idle = new PassThrough();
  const opened: unknown = await forwarder.portForward(
    target.namespace,
    target.pod,
    [target.port],
    toClient,
    failed,
    idle,
  );
  const webSocket = opened as ForwardSocket;
  socket.on('data', (chunk: Buffer) => {
    webSocket.send(Buffer.concat([DATA_STREAM, chunk]), () => {
      if (webSocket.bufferedAmount < HIGH_WATER_BYTES) socket.resume();
    });
    if (webSocket.bufferedAmount >= HIGH_WATER_BYTES) socket.pause();
  });
  socket.on('close', () => {
    webSocket.close();
  });
  webSocket.onclose = () => socket.end();
  webSocket.onerror = () => socket.destroy();
  socket.resume();
}
