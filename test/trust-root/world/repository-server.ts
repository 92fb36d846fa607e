import http from 'node:http';
import type { AddressInfo } from 'node:net';

import type { RepositoryStore } from '../../../trust-root/repository-store.ts';

/** A repository on loopback, as a static web server would give it. */
export interface RepositoryServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves a store over HTTP on a free port. */
export async function serveRepository(store: RepositoryStore): Promise<RepositoryServer> {
  const server = http.createServer((request, response) => {
    const name = decodeURIComponent((request.url ?? '/').slice(1));
    store.read(name).then(
      (bytes) => response.writeHead(bytes === undefined ? 404 : 200).end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
