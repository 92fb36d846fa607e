import http from 'node:http';
import https from 'node:https';
import { pipeline } from 'node:stream/promises';

import type { Log } from '../kernel/log.ts';
import { repeat } from '../kernel/repeat.ts';
import { CertificateReload, readServingPair } from '../webhook/certificate-reload.ts';
import { type Address, listen } from './address.ts';
import { closedAfter, type RunningService } from './https-service.ts';
import { gateDecision } from './registry-writes.ts';

/** What the gate is started with. */
export interface RegistryGateOptions {
  readonly listen: Address;
  /** The registry behind, as a rule on the pod's loopback. */
  readonly to: URL;
  /** PEM of the CA that the registry's own certificate chains to. */
  readonly ca?: string;
  readonly tlsDir: string;
  readonly log: Log;
  readonly signal: AbortSignal;
}

const RELOAD_EVERY_MS = 10_000;
const MAX_CONNECTIONS = 2048;
/** A transfer on which nothing moves for so long is cut. */
const IDLE_MS = 300_000;
const LIMITS = { headersTimeout: 10_000, requestTimeout: 0, keepAliveTimeout: 65_000, maxHeaderSize: 32 * 1024 };
/** Headers of one connection, not of the message (RFC 9110 §7.6.1). */
const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade'];

/**
 * Stands before the site's registry: passes on what {@link gateDecision} lets through, streaming both ways, until the
 * signal aborts. @throws WebhookError `CERTIFICATE_INVALID`, ServiceError `LISTEN_FAILED`.
 */
export async function startRegistryGate(options: RegistryGateOptions): Promise<RunningService> {
  const { tlsDir, log, signal } = options;
  const pair = await readServingPair(tlsDir);
  const secure = options.to.protocol === 'https:';
  const agent = secure ? new https.Agent({ keepAlive: true, ca: options.ca }) : new http.Agent({ keepAlive: true });
  const server = https.createServer({ ...pair, ...LIMITS, minVersion: 'TLSv1.2' }, (incoming, outgoing) => {
    void pass(incoming, outgoing, { options, agent });
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.timeout = IDLE_MS;
  server.on('tlsClientError', (error) => log.debug('a TLS handshake failed', { error: error.message }));
  server.on('clientError', (_error, socket) => socket.destroy());
  const port = await listen(server, options.listen);
  const reload = new CertificateReload({ folder: tlsDir, served: pair }, server, log);
  void repeat(() => reload.look(), { everyMs: RELOAD_EVERY_MS }, signal);
  log.info('guarding the registry', { port, to: options.to.origin });
  const closed = closedAfter(server, signal).finally(() => {
    agent.destroy();
  });
  return { port, closed };
}

interface Passing {
  readonly options: RegistryGateOptions;
  readonly agent: http.Agent;
}

async function pass(
  incoming: http.IncomingMessage,
  outgoing: http.ServerResponse,
  { options, agent }: Passing,
): Promise<void> {
  const { method = '', url = '' } = incoming;
  const decision = gateDecision(method, url);
  if (decision.kind === 'refuse') {
    options.log.info('refused a write', { method, path: url.slice(0, 300), from: incoming.socket.remoteAddress });
    refuse(outgoing, decision.reason);
    return;
  }
  const request = options.to.protocol === 'https:' ? https.request : http.request;
  const behind = request({
    agent,
    host: options.to.hostname,
    port: options.to.port,
    method,
    path: url,
    timeout: IDLE_MS,
    headers: { ...messageHeaders(incoming.headers), host: incoming.headers.host, 'x-forwarded-proto': 'https' },
  });
  behind.on('timeout', () => behind.destroy(new Error('the registry does not answer')));
  const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
    behind.on('response', resolve);
    behind.on('error', reject);
  });
  try {
    // A refusal may come before the whole body was taken: then the rest of it is nobody's.
    const sent = pipeline(incoming, behind).catch(() => undefined);
    const response = await answered;
    outgoing.writeHead(response.statusCode ?? 502, messageHeaders(response.headers));
    await pipeline(response, outgoing);
    await sent;
  } catch (error) {
    options.log.warn('a request could not be passed on', { error: error instanceof Error ? error.message : '' });
    if (outgoing.headersSent) outgoing.destroy();
    else outgoing.writeHead(502).end();
  }
}

/** The headers that belong to the message itself; what a client says about proxies before the gate is not believed. */
function messageHeaders(headers: http.IncomingHttpHeaders): http.OutgoingHttpHeaders {
  const dropped = new Set(HOP_BY_HOP);
  return Object.fromEntries(
    Object.entries(headers).filter(
      ([name]) => !dropped.has(name) && !name.startsWith('x-forwarded-') && name !== 'forwarded',
    ),
  );
}

/** Refuses in the form of the distribution specification ("Error Codes"). */
function refuse(outgoing: http.ServerResponse, message: string): void {
  const body = JSON.stringify({ errors: [{ code: 'DENIED', message }] });
  outgoing.writeHead(403, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    // The body that was not read would otherwise be taken for the next request.
    connection: 'close',
  });
  outgoing.end(body);
}
