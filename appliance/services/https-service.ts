import type { IncomingMessage, ServerResponse } from 'node:http';
import https from 'node:https';

import { describeError } from '../kernel/coded-error.ts';
import type { Log } from '../kernel/log.ts';
import { realWait, repeat, type Wait } from '../kernel/repeat.ts';
import { CertificateReload, readServingPair } from '../webhook/certificate-reload.ts';
import { type Address, listen } from './address.ts';

/** A request as far as the small servers look at it. */
export interface ServiceRequest {
  readonly method: 'GET' | 'HEAD';
  /** The decoded path without query, starting with `/`. */
  readonly path: string;
  /** The same as the client wrote it. */
  readonly rawPath: string;
  readonly headers: IncomingMessage['headers'];
}

/** What a server answers. */
export interface ServiceAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
}

/** Answers GET and HEAD. What it throws becomes a 500 without details. */
export type ServiceHandler = (request: ServiceRequest) => Promise<ServiceAnswer> | ServiceAnswer;

/** How a server is set up. */
export interface HttpsServiceOptions {
  readonly listen: Address;
  /** Folder with `tls.crt` and `tls.key`; a new pair there is served without a restart. */
  readonly tlsDir: string;
  readonly handler: ServiceHandler;
  readonly log: Log;
  /** How the certificate's reload waits between looks; by the machine's clock unless told. */
  readonly wait?: Wait;
  /** Ends the service: no new connections, those under way get five seconds. */
  readonly signal: AbortSignal;
}

/** A server that runs. */
export interface RunningService {
  readonly port: number;
  /** Fulfilled when the last connection is closed after the signal. */
  readonly closed: Promise<void>;
}

const RELOAD_EVERY_MS = 10_000;
const DRAIN_MS = 5_000;
const LIMITS = { headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 65_000, maxHeaderSize: 16 * 1024 };
const MAX_CONNECTIONS = 2048;

/** Serves HTTPS until the signal aborts. @throws WebhookError `CERTIFICATE_INVALID`, ServiceError `LISTEN_FAILED`. */
export async function startHttpsService(options: HttpsServiceOptions): Promise<RunningService> {
  const { tlsDir, log, signal } = options;
  const pair = await readServingPair(tlsDir);
  const server = https.createServer({ ...pair, ...LIMITS, minVersion: 'TLSv1.2' }, (incoming, outgoing) => {
    void answer(incoming, outgoing, options);
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.on('tlsClientError', (error) => log.debug('a TLS handshake failed', { error: error.message }));
  server.on('clientError', (_error, socket) => socket.destroy());
  const port = await listen(server, options.listen);
  const reload = new CertificateReload({ folder: tlsDir, served: pair }, server, log);
  void repeat(() => reload.look(), { everyMs: RELOAD_EVERY_MS, wait: options.wait ?? realWait }, signal);
  log.info('listening', { port });
  return { port, closed: closedAfter(server, signal) };
}

/** Closes the server when the signal aborts; connections that linger are cut after the drain time. */
export function closedAfter(server: https.Server, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const close = (): void => {
      const cut = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
      server.close(() => {
        clearTimeout(cut);
        resolve();
      });
      server.closeIdleConnections();
    };
    if (signal.aborted) close();
    else signal.addEventListener('abort', close, { once: true });
  });
}

async function answer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  options: HttpsServiceOptions,
): Promise<void> {
  const given = await handled(incoming, options);
  const body = typeof given.body === 'string' ? Buffer.from(given.body) : given.body;
  outgoing.writeHead(given.status, {
    ...(given.status === 304 ? {} : { 'content-length': body?.byteLength ?? 0 }),
    'x-content-type-options': 'nosniff',
    ...(options.signal.aborted || given.status === 405 ? { connection: 'close' } : {}),
    ...given.headers,
  });
  outgoing.end(incoming.method === 'HEAD' ? undefined : body);
}

async function handled(incoming: IncomingMessage, { handler, log }: HttpsServiceOptions): Promise<ServiceAnswer> {
  const { method, url = '/', headers } = incoming;
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, headers: { allow: 'GET, HEAD' } };
  const rawPath = (url.split('?', 1)[0] ?? '/').replace(/^https?:\/\/[^/]*/, '');
  const path = decoded(rawPath);
  if (path === undefined) return { status: 400 };
  try {
    return await handler({ method, path, rawPath, headers });
  } catch (error) {
    log.error('a request failed', { path, error: describeError(error) });
    return { status: 500 };
  }
}

function decoded(rawPath: string): string | undefined {
  try {
    return decodeURIComponent(rawPath);
  } catch {
    return undefined;
  }
}
