import { Command } from '@commander-js/extra-typings';

import type { Runtime } from '../runtime.ts';
import { parseAddress } from '../services/address.ts';
import { startTlsProxy } from '../services/tls-proxy.ts';

/** `sealift tls-proxy`: puts TLS before a server that has none. Runs beside it in its pod. */
export function tlsProxyCommand(runtime: Runtime): Command {
  return new Command('tls-proxy')
    .description('take TLS connections and pass them to a server without TLS (runs in the cluster)')
    .requiredOption('--listen <address>', 'host:port to listen at')
    .requiredOption('--to <address>', 'host:port of the server')
    .requiredOption('--tls-dir <folder>', 'folder with tls.crt and tls.key, read again when they change')
    .option('--alpn <protocols>', 'protocols offered to clients, by comma; h2 before a gRPC server', 'http/1.1')
    .action(async ({ listen, to, tlsDir, alpn }) => {
      const { log, signal } = runtime;
      const addresses = { listen: parseAddress(listen), to: parseAddress(to) };
      const running = await startTlsProxy({ ...addresses, tlsDir, alpn: alpn.split(','), log, signal });
      await running.closed;
    });
}
