import { readFile, stat } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { fileURLToPath } from 'node:url';

import { KernelError } from './coded-error.ts';

/** Limits and credentials of one fetch. */
export interface FetchOptions {
  /** Most body bytes taken. */
  readonly maxBytes: number;
  /** Most milliseconds from the start to the last byte; 30 000 unless told. */
  readonly timeoutMs?: number;
  /** PEM certificates that the server's certificate must chain to; the system's roots when left out. */
  readonly ca?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** What a server answered. */
export interface FetchedResponse {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

const DEFAULT_TIMEOUT_MS = 30_000;

/**
 * GET of an `http:`, `https:` or `file:` URL with a size and a time limit. Follows no redirect: the answer is handed on.
 * A `file:` that is not there answers 404. Certificates are always checked.
 * @throws KernelError `TOO_LARGE`, `TIMEOUT`, `FETCH_FAILED`.
 */
export async function boundedFetch(url: URL, options: FetchOptions): Promise<FetchedResponse> {
  if (url.protocol === 'file:') return readLocal(url, options.maxBytes);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new KernelError('FETCH_FAILED', `${url.protocol} is not a scheme that is fetched (http, https, file)`);
  }
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  try {
    return await request(url, options, signal);
  } catch (error) {
    if (error instanceof KernelError) throw error;
    if (timeout.aborted)
      throw new KernelError('TIMEOUT', `${url.href}: no full answer within ${timeoutMs} ms`, { cause: error });
    throw new KernelError('FETCH_FAILED', `${url.href}: could not be fetched`, { cause: error });
  }
}

async function readLocal(url: URL, maxBytes: number): Promise<FetchedResponse> {
  const file = fileURLToPath(url);
  try {
    if ((await stat(file)).size > maxBytes) throw tooLarge(url, maxBytes);
    return { status: 200, headers: {}, body: await readFile(file) };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return { status: 404, headers: {}, body: Buffer.alloc(0) };
    }
    if (error instanceof KernelError) throw error;
    throw new KernelError('FETCH_FAILED', `${file}: could not be read`, { cause: error });
  }
}

function request(url: URL, options: FetchOptions, signal: AbortSignal): Promise<FetchedResponse> {
  const { ca, headers, maxBytes } = options;
  const get = url.protocol === 'https:' ? https.get : http.get;
  return new Promise((resolve, reject) => {
    const outgoing = get(url, {
      signal,
      ...(ca === undefined ? {} : { ca }),
      ...(headers === undefined ? {} : { headers }),
    });
    outgoing.on('error', reject);
    outgoing.on('response', (response) => {
      const chunks: Buffer[] = [];
      let received = 0;
      response.on('data', (chunk: Buffer) => {
        received += chunk.byteLength;
        if (received > maxBytes) {
          reject(tooLarge(url, maxBytes));
          outgoing.destroy();
          return;
        }
        chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        if (!response.complete) {
          reject(new KernelError('FETCH_FAILED', `${url.href}: the answer broke off`));
          return;
        }
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) });
      });
    });
  });
}

function tooLarge(url: URL, maxBytes: number): KernelError {
  return new KernelError('TOO_LARGE', `${url.href}: more than the ${maxBytes} bytes that are taken`);
}
