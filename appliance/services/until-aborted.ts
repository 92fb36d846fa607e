import http from 'node:http';

import { type Address, listen } from './address.ts';

/** Answers every probe with 200 until the signal aborts: for a pod whose work is done and that must not be started again. */
export async function untilAborted(address: Address, signal: AbortSignal): Promise<void> {
  const server = http.createServer((_request, response) => response.writeHead(200).end('done\n'));
  await listen(server, address);
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
  server.close();
  server.closeAllConnections();
}
