import { Command } from '@commander-js/extra-typings';

import { connectInCluster } from '../kube/connect.ts';
import { ConfigMapRepositoryStore } from '../kube/repository-store-configmaps.ts';
import type { Runtime } from '../runtime.ts';
import { parseAddress } from '../services/address.ts';
import { startTufServer } from '../services/tuf-server.ts';

/** `sealift tuf-server`: serves the site's TUF repository over HTTPS. Runs in a pod. */
export function tufServerCommand(runtime: Runtime): Command {
  return new Command('tuf-server')
    .description("serve the site's TUF repository over HTTPS (runs in the cluster)")
    .requiredOption('--listen <address>', 'host:port to listen at')
    .requiredOption('--tls-dir <folder>', 'folder with tls.crt and tls.key, read again when they change')
    .option('--namespace <name>', 'namespace of the ConfigMaps that hold the repository', 'sigstore-system')
    .action(async ({ listen, tlsDir, namespace }) => {
      const { log, signal } = runtime;
      const store = new ConfigMapRepositoryStore(connectInCluster(), { namespace });
      const running = await startTufServer(store, { listen: parseAddress(listen), tlsDir, log, signal });
      await running.closed;
    });
}
