import { Readable } from 'node:stream';
import { createSecureContext } from 'node:tls';

import { Agent, request } from 'undici';

import { MirrorError } from './mirror-error.ts';

/** One request as it goes over the wire. */
export interface WireRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
}

/** One answer. Its body must be read or dropped, or the connection stays taken. */
export interface WireResponse {
  readonly status: number;
  /** The value of a header, several joined with `, `. */
  header(name: string): string | undefined;
  readonly body: AsyncIterable<Uint8Array>;
  /** Reads at most `maxBytes`. @throws MirrorError `REGISTRY_PROTOCOL` for more. */
  bytes(maxBytes: number): Promise<Buffer>;
  /** Drops what is left of the body. */
  drop(): Promise<void>;
}

/** HTTP(S) without redirects, retries or credentials: just the wire, with limits on time. */
export interface Transport {
  /** Rejects with the connection's own error; the caller decides whether to try again. */
  send(request: WireRequest): Promise<WireResponse>;
  close(): Promise<void>;
}

/** Settings of {@link httpTransport}. */
export interface TransportOptions {
  /** PEM certificates that servers must chain to; Node's default ones when left out. Certificates are always checked. */
  readonly ca?: string;
  /** Most connections to one origin; 16 unless told. */
  readonly connections?: number;
  readonly connectTimeoutMs?: number;
  /** Longest silence before the first header, and between two pieces of a body. */
  readonly idleTimeoutMs?: number;
}

const DROPPABLE_BYTES = 256 * 1024;

/** A transport with its own pool of connections; `close` it when done. */
export function httpTransport(options: TransportOptions = {}): Transport {
  const idle = options.idleTimeoutMs ?? 60_000;
  const agent = new Agent({
    connections: options.connections ?? 16,
    headersTimeout: idle,
    bodyTimeout: idle,
    connect: {
      timeout: options.connectTimeoutMs ?? 10_000,
      // Made once: reading a list of certificates takes longer than the rest of a connection.
      ...(options.ca === undefined ? {} : { secureContext: createSecureContext({ ca: options.ca }) }),
    },
  });
  return {
    send: async ({ method, url, headers, body, signal }) => {
      const answer = await request(url, {
        method,
        headers,
        dispatcher: agent,
        ...(signal === undefined ? {} : { signal }),
        ...(body === undefined ? {} : { body: body instanceof Uint8Array ? body : Readable.from(body) }),
      });
      return wireResponse(url, answer);
    },
    close: async () => await agent.destroy(),
  };
}

type Answer = Awaited<ReturnType<typeof request>>;

function wireResponse(url: URL, { statusCode, headers, body }: Answer): WireResponse {
  return {
    status: statusCode,
    header: (name) => {
      const value = headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    body: body as AsyncIterable<Uint8Array>,
    bytes: async (maxBytes) => {
      const chunks: Uint8Array[] = [];
      let received = 0;
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        received += chunk.byteLength;
        if (received > maxBytes) {
          throw new MirrorError('REGISTRY_PROTOCOL', `${url.href}: more than the ${maxBytes} bytes that are taken`);
        }
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    },
    drop: async () => {
      // Reading a small rest keeps the connection; a large one costs more than a new connection.
      await body.dump({ limit: DROPPABLE_BYTES }).catch(() => undefined);
    },
  };
}
