import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

import { describeError } from '../kernel/coded-error.ts';
import type { Log } from '../kernel/log.ts';
import { MAX_REVIEW_BYTES } from './admission-review.ts';
import type { PairHolder, ServingPair } from './certificate-reload.ts';
import type { WebhookHandler, WebhookResponse } from './handler.ts';

/** A server that listens. */
export interface RunningServer extends PairHolder {
  readonly host: string;
  readonly port: number;
  /** From now on every answer closes its connection, so that clients turn to another replica. */
  retire(): void;
  /** Takes no new connection, lets requests under way end within `graceMs`, then cuts what is left. */
  drain(graceMs: number): Promise<void>;
}

/** How to serve. */
export interface ServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly pair: ServingPair;
  readonly handler: WebhookHandler;
  readonly log: Log;
  readonly limits?: Partial<ConnectionLimits>;
}

/** What connections may take. */
export interface ConnectionLimits {
  readonly connections: number;
  /**
   * Connections of one address, the newest of which are cut. An API server opens about as many as it has requests under
   * way; no single pod can take all that there are from it.
   */
  readonly perAddress: number;
  readonly handshakeTimeoutMs: number;
}

const LIMITS = {
  maxHeaderSize: 16 * 1024,
  headersTimeout: 5000,
  /** A whole request, header and body; the API server's own longest patience is 30 s. */
  requestTimeout: 10_000,
  /**
   * Longer than the API server keeps an idle connection (90 s): were it closed here first, a review sent at that moment
   * would fail, since Go's client does not repeat a POST.
   */
  keepAliveTimeout: 120_000,
  connectionsCheckingInterval: 1000,
} as const;
const DEFAULT_LIMITS: ConnectionLimits = { connections: 4096, perAddress: 512, handshakeTimeoutMs: 5000 };
const MAX_UNDER_WAY = 512;

/** Serves `handler` over HTTPS, TLS 1.2 and newer, with limits on header, body, time and number. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { host, port, pair, handler, log } = options;
  const { connections, perAddress, handshakeTimeoutMs } = { ...DEFAULT_LIMITS, ...options.limits };
  const server = createServer({ ...LIMITS, ...pair, handshakeTimeout: handshakeTimeoutMs, minVersion: 'TLSv1.2' });
  server.maxConnections = connections;
  limitPerAddress(server, perAddress);
  let underWay = 0;
  let isRetired = false;
  server.on('request', (request, response) => {
    underWay += 1;
    response.once('close', () => {
      underWay -= 1;
    });
    const answer = underWay > MAX_UNDER_WAY ? refused(503, 'too many requests at once') : respond(request, handler);
    answer
      .then((ready) => {
        send(response, ready, !isRetired && server.listening);
      })
      .catch((error: unknown) => {
        log.warn('a request broke off', { error: describeError(error) });
        response.destroy();
      });
  });
  server.on('tlsClientError', (error) => {
    log.debug('a TLS handshake failed', { error: describeError(error) });
  });
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address() as AddressInfo;
  return {
    host: address.address,
    port: address.port,
    setSecureContext: ({ cert, key }) => {
      server.setSecureContext({ cert, key, minVersion: 'TLSv1.2' });
    },
    retire: () => {
      isRetired = true;
    },
    drain: async (graceMs) => {
      await drain(server, graceMs);
    },
  };
}

/** Counts connections from before their handshake on, which is when they cost the attacker the least. */
function limitPerAddress(server: Server, most: number): void {
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const count = (open.get(address) ?? 0) + 1;
    open.set(address, count);
    socket.once('close', () => {
      const left = (open.get(address) ?? 1) - 1;
      if (left === 0) open.delete(address);
      else open.set(address, left);
    });
    if (count > most) socket.destroy();
  });
}

async function respond(request: IncomingMessage, handler: WebhookHandler): Promise<WebhookResponse> {
  const body = await readBody(request);
  if (body === undefined) return await refused(413, `more than the ${MAX_REVIEW_BYTES} bytes that are taken`);
  return await handler({ method: request.method ?? '', url: request.url ?? '/', body });
}

async function refused(status: number, why: string): Promise<WebhookResponse> {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${why}\n` };
}

/** The whole body, or nothing when it is too large. */
async function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_REVIEW_BYTES) return undefined;
  const chunks: Buffer[] = [];
  let received = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    received += chunk.byteLength;
    if (received > MAX_REVIEW_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function send(response: ServerResponse, { status, contentType, body }: WebhookResponse, keepAlive: boolean): void {
  if (response.destroyed) return;
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    // A connection whose request was not read to its end, or of a server that is leaving, is not used again.
    ...(keepAlive && status !== 413 ? {} : { connection: 'close' }),
  });
  response.end(body);
}

async function drain(server: Server, graceMs: number): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => {
    server.closeAllConnections();
  }, graceMs);
  try {
    await closed;
  } finally {
    clearTimeout(timer);
  }
}
