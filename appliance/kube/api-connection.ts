import http from 'node:http';
import https from 'node:https';

import type { KubeConfig } from '@kubernetes/client-node';

import { parseJson } from '../kernel/json.ts';
import { KubeError, type KubeErrorCode } from './kube-error.ts';

/** One request to the API server. */
export interface ApiRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Absolute, with its query. */
  readonly path: string;
  readonly body?: unknown;
  /** `application/json` unless told. */
  readonly contentType?: string;
  /** Names what is asked for in errors. */
  readonly what: string;
  readonly signal?: AbortSignal;
  /** Told each `Warning` header of the answer. */
  readonly onWarning?: (text: string) => void;
}

const TIMEOUT_MS = 60_000;
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_JSON_DEPTH = 128;
const TRIES = 4;

const CODES: Readonly<Record<string, KubeErrorCode>> = {
  NotFound: 'NOT_FOUND',
  AlreadyExists: 'ALREADY_EXISTS',
  Conflict: 'CONFLICT',
  Invalid: 'INVALID',
  BadRequest: 'INVALID',
  Forbidden: 'FORBIDDEN',
  Unauthorized: 'UNAUTHORIZED',
  Expired: 'EXPIRED',
  Gone: 'EXPIRED',
};
const CODES_BY_STATUS: Readonly<Record<number, KubeErrorCode>> = {
  400: 'INVALID',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  410: 'EXPIRED',
  422: 'INVALID',
};

/** HTTP to one API server, with the credentials of one kubeconfig context, limited in size and time. */
export class ApiConnection {
  readonly server: URL;
  readonly config: KubeConfig;

  constructor(config: KubeConfig, server: URL) {
    this.config = config;
    this.server = server;
  }

  /**
   * Sends a request and reads the whole answer. 429 is asked again after the server's pause, a GET that found nobody
   * too; at most four times.
   * @throws KubeError by what the server said, or `UNREACHABLE`, `TIMEOUT`, `TOO_LARGE`.
   */
  async bytes(request: ApiRequest): Promise<Buffer> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#once(request);
      } catch (error) {
        const pauseMs = pauseBeforeRetry(error, request, attempt);
        if (pauseMs === undefined) throw error instanceof RetryLater ? error.cause : error;
        await pause(pauseMs, request.signal);
      }
    }
  }

  /** As {@link bytes}, and reads the answer as JSON. */
  async json(request: ApiRequest): Promise<unknown> {
    const limits = { maxBytes: MAX_BYTES, maxDepth: MAX_JSON_DEPTH };
    return parseJson(await this.bytes(request), `${request.what}: the API server's answer`, limits);
  }

  /** Opens an answer that has no end of its own (a watch). `signal` ends it. Answers other than 200 throw. */
  async stream(request: ApiRequest & { readonly signal: AbortSignal }): Promise<http.IncomingMessage> {
    const response = await this.#send(request, request.signal);
    if (response.statusCode === 200) return response;
    const body = await readAll(response, request.what);
    throw failure(response, body, request.what);
  }

  async #once(request: ApiRequest): Promise<Buffer> {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const signal = request.signal === undefined ? timeout : AbortSignal.any([timeout, request.signal]);
    try {
      const response = await this.#send(request, signal);
      if (request.onWarning !== undefined) for (const text of warningsIn(response.rawHeaders)) request.onWarning(text);
      const body = await readAll(response, request.what);
      const status = response.statusCode ?? 0;
      if (status >= 200 && status < 300) return body;
      throw failure(response, body, request.what);
    } catch (error) {
      if (timeout.aborted)
        throw new KubeError('TIMEOUT', `${request.what}: no answer from ${this.server.href} in time`);
      throw error;
    }
  }

  async #send(request: ApiRequest, signal: AbortSignal): Promise<http.IncomingMessage> {
    const options = await this.#options(request);
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    const send = this.server.protocol === 'http:' ? http.request : https.request;
    return new Promise((resolve, reject) => {
      const outgoing = send(new URL(this.#pathFrom(request.path), this.server), { ...options, signal }, resolve);
      outgoing.on('error', (cause) => {
        reject(signal.aborted ? asError(signal.reason) : unreachable(this.server, cause));
      });
      outgoing.end(body);
    });
  }

  #pathFrom(path: string): string {
    return `${this.server.pathname.replace(/\/$/, '')}${path}`;
  }

  async #options(request: ApiRequest): Promise<https.RequestOptions> {
    const options: https.RequestOptions = { method: request.method ?? 'GET' };
    try {
      await this.config.applyToHTTPSOptions(options);
    } catch (cause) {
      throw new KubeError('UNAUTHORIZED', 'the kubeconfig gives no usable credentials', { cause });
    }
    const credentials = options.headers as http.OutgoingHttpHeaders | undefined;
    const { body, contentType = 'application/json' } = request;
    // With DELETE, Node sends a body only when its length is told.
    const type = body === undefined ? {} : { 'content-type': contentType, 'content-length': byteLengthOf(body) };
    // The keys of the token issuer come as application/jwk-set+json and in no other form.
    const accept = 'application/json, */*;q=0.5';
    return { ...options, headers: { accept, 'user-agent': 'sealift', ...credentials, ...type } };
  }
}

function byteLengthOf(body: unknown): number {
  return Buffer.byteLength(JSON.stringify(body));
}

/** Carries the failure and how long the server asked to wait. */
class RetryLater extends Error {
  readonly afterMs: number;

  constructor(cause: KubeError, afterMs: number) {
    super(cause.message, { cause });
    this.afterMs = afterMs;
  }
}

function pauseBeforeRetry(error: unknown, request: ApiRequest, attempt: number): number | undefined {
  if (attempt >= TRIES || request.signal?.aborted === true) return undefined;
  if (error instanceof RetryLater) return error.afterMs;
  const isRead = (request.method ?? 'GET') === 'GET';
  return isRead && error instanceof KubeError && error.code === 'UNREACHABLE' ? attempt * 250 : undefined;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        reject(asError(signal.reason));
      },
      { once: true },
    );
  });
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

function unreachable(server: URL, cause: unknown): KubeError {
  return new KubeError('UNREACHABLE', `the API server ${server.href} can't be reached`, {
    cause,
    fix: 'check the kubeconfig, the context and the way to the API server (kubectl version)',
  });
}

async function readAll(response: http.IncomingMessage, what: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > MAX_BYTES) {
      response.destroy();
      throw new KubeError('TOO_LARGE', `${what}: the answer is larger than the ${MAX_BYTES} bytes that are taken`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function failure(response: http.IncomingMessage, body: Buffer, what: string): Error {
  const status = response.statusCode ?? 0;
  const error = errorFromStatus(parseStatus(body), status, what);
  if (status !== 429) return error;
  const seconds = Number(response.headers['retry-after'] ?? '1');
  return new RetryLater(error, Math.min(Number.isFinite(seconds) ? seconds : 1, 10) * 1000);
}

/** The texts of `Warning: 299 - "…"` headers (RFC 7234 §5.5, as the API server writes them). */
function warningsIn(rawHeaders: readonly string[]): string[] {
  return rawHeaders.flatMap((name, index) => {
    if (index % 2 === 1 || name.toLowerCase() !== 'warning') return [];
    const text = /^299 \S+ "(.*)"$/.exec(rawHeaders[index + 1] ?? '')?.[1];
    // Node reads headers as Latin-1, the API server writes UTF-8.
    return text === undefined ? [] : [Buffer.from(text.replaceAll(/\\(.)/g, '$1'), 'latin1').toString('utf8')];
  });
}

interface StatusBody {
  readonly reason?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
}

function parseStatus(body: Buffer): StatusBody {
  try {
    const parsed = parseJson(body, 'status', { maxBytes: MAX_BYTES });
    return typeof parsed === 'object' && parsed !== null ? parsed : {};
  } catch {
    // Proxies and kubelets answer errors in plain text.
    return { message: body.toString('utf8', 0, 500).trim() };
  }
}

/** The error that a `Status` object of the API server stands for (apimachinery `metav1.StatusReason`). */
export function errorFromStatus(body: StatusBody, status: number, what: string): KubeError {
  const byReason = typeof body.reason === 'string' ? CODES[body.reason] : undefined;
  const code = byReason ?? CODES_BY_STATUS[status] ?? 'SERVER_ERROR';
  const message = typeof body.message === 'string' && body.message !== '' ? body.message : `HTTP status ${status}`;
  return new KubeError(code, `${what}: ${message.slice(0, 4000)}`);
}
