import net from 'node:net';
import tls from 'node:tls';

import type { Log } from '../kernel/log.ts';
import { repeat } from '../kernel/repeat.ts';
import { CertificateReload, readServingPair } from '../webhook/certificate-reload.ts';
import { type Address, listen } from './address.ts';
import type { RunningService } from './https-service.ts';

/** What the proxy is started with. */
export interface TlsProxyOptions {
  readonly listen: Address;
  /** The server without TLS, as a rule in the same pod: `127.0.0.1:3000`. */
  readonly to: Address;
  readonly tlsDir: string;
  /**
   * Protocols offered to clients (RFC 7301), the preferred one first. What a client picks the server behind must speak:
   * `h2` only before a gRPC server. `http/1.1` unless told.
   */
  readonly alpn?: readonly string[];
  readonly limits?: Partial<ProxyLimits>;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Limits of the proxy. */
export interface ProxyLimits {
  readonly maxConnections: number;
  readonly handshakeTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** A connection on which nothing moved for so long, either way, is closed. */
  readonly idleTimeoutMs: number;
  /** How long connections may go on after the signal. */
  readonly drainMs: number;
}

const DEFAULT_LIMITS: ProxyLimits = {
  maxConnections: 1024,
  handshakeTimeoutMs: 10_000,
  connectTimeoutMs: 5_000,
  idleTimeoutMs: 600_000,
  drainMs: 10_000,
};
const RELOAD_EVERY_MS = 10_000;

/**
 * Takes TLS connections and passes their bytes to a server without TLS, and back, until the signal aborts. It does not
 * look at the bytes, so upgrades and gRPC pass. Each side may end its half of a connection alone.
 * @throws WebhookError `CERTIFICATE_INVALID`, ServiceError `LISTEN_FAILED`.
 */
export async function startTlsProxy(options: TlsProxyOptions): Promise<RunningService> {
  const { tlsDir, log, signal } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const pair = await readServingPair(tlsDir);
  const server = tls.createServer({
    ...pair,
    ALPNProtocols: [...(options.alpn ?? ['http/1.1'])],
    allowHalfOpen: true,
    handshakeTimeout: limits.handshakeTimeoutMs,
    minVersion: 'TLSv1.2',
  });
  server.maxConnections = limits.maxConnections;
  const open = new Set<net.Socket>();
  server.on('secureConnection', (client) => join(client, { options, limits, open }));
  server.on('tlsClientError', (error) => log.debug('a TLS handshake failed', { error: error.message }));
  const port = await listen(server, options.listen);
  const reload = new CertificateReload({ folder: tlsDir, served: pair }, server, log);
  void repeat(() => reload.look(), { everyMs: RELOAD_EVERY_MS }, signal);
  log.info('passing TLS connections on', { port, to: `${options.to.host ?? '127.0.0.1'}:${options.to.port}` });
  return { port, closed: closedAfter(server, { open, drainMs: limits.drainMs, signal }) };
}

interface Joining {
  readonly options: TlsProxyOptions;
  readonly limits: ProxyLimits;
  readonly open: Set<net.Socket>;
}

function join(client: tls.TLSSocket, { options, limits, open }: Joining): void {
  const { host = '127.0.0.1', port } = options.to;
  const backend = net.connect({ host, port, allowHalfOpen: true, noDelay: true });
  client.setNoDelay(true);
  const sides: readonly net.Socket[] = [client, backend];
  const cut = (why: string, error?: Error): void => {
    if (sides.every((side) => side.destroyed)) return;
    if (error !== undefined) options.log.debug(why, { error: error.message });
    for (const side of sides) side.destroy();
  };
  backend.setTimeout(limits.connectTimeoutMs, () => cut('timed out', new Error('no answer or nothing moved')));
  backend.once('connect', () => backend.setTimeout(limits.idleTimeoutMs));
  for (const side of sides) {
    open.add(side);
    side.on('error', (error: Error) => cut('a connection broke', error));
    side.on('close', (hadError) => {
      open.delete(side);
      // A side that closed after both halves ended leaves the other to send what it still has.
      if (hadError || !side.readableEnded) cut('closed early');
    });
  }
  client.pipe(backend);
  backend.pipe(client);
}

function closedAfter(
  server: tls.Server,
  { open, drainMs, signal }: { open: ReadonlySet<net.Socket>; drainMs: number; signal: AbortSignal },
): Promise<void> {
  return new Promise((resolve) => {
    const close = (): void => {
      const cut = setTimeout(() => {
        for (const socket of open) socket.destroy();
      }, drainMs);
      server.close(() => {
        clearTimeout(cut);
        resolve();
      });
    };
    if (signal.aborted) close();
    else signal.addEventListener('abort', close, { once: true });
  });
}
