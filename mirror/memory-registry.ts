import http from 'node:http';
import type { AddressInfo } from 'node:net';

import type { RegistryState } from './memory-registry-exchange.ts';
import { routeRequest } from './memory-registry-routes.ts';

/** What an in-memory registry is like. */
export interface MemoryRegistryOptions {
  /** False for a registry without the referrers API, as CNCF distribution is; true unless told. */
  readonly referrersApi?: boolean;
  /** Most entries on one page of a list; all unless told. */
  readonly pageSize?: number;
  /** True for a registry that takes an index whose children are not all there; false unless told. */
  readonly sparseIndexes?: boolean;
  /** Told of each request. */
  readonly onRequest?: (request: { method: string; path: string }) => void;
}

/** An OCI registry (distribution-spec v1.1) that keeps everything in memory: for tests, the demo and small sites. */
export interface MemoryRegistry {
  /** Answers one HTTP request; for a server of one's own. */
  readonly handle: http.RequestListener;
  /** Starts a server on loopback, on a free port unless told. */
  readonly listen: (options?: { port?: number }) => Promise<RunningRegistry>;
}

/** A registry that answers. */
export interface RunningRegistry {
  /** `http://127.0.0.1:<port>`. */
  readonly origin: string;
  readonly close: () => Promise<void>;
}

/** Makes an empty registry. It checks digests, and takes a manifest only when what it points to is there. */
export function memoryRegistry(options: MemoryRegistryOptions = {}): MemoryRegistry {
  const state: RegistryState = {
    referrersApi: options.referrersApi ?? true,
    pageSize: options.pageSize ?? Number.MAX_SAFE_INTEGER,
    sparseIndexes: options.sparseIndexes ?? false,
    blobs: new Map(),
    repositories: new Map(),
    uploads: new Map(),
  };
  const handle: http.RequestListener = (request, response) => {
    options.onRequest?.({ method: request.method ?? '', path: request.url ?? '' });
    routeRequest(state, request, response).catch(() => {
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  };
  return { handle, listen: async ({ port = 0 } = {}) => await serveOnLoopback(handle, port) };
}

/** Serves `handle` on 127.0.0.1. Port 0 takes a free one. */
export async function serveOnLoopback(handle: http.RequestListener, port = 0): Promise<RunningRegistry> {
  const server = http.createServer(handle);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${address.port}`,
    close: async () => {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
