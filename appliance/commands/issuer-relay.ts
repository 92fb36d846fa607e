import { Command } from '@commander-js/extra-typings';

import { connectInCluster } from '../kube/connect.ts';
import type { Runtime } from '../runtime.ts';
import { parseAddress } from '../services/address.ts';
import { startIssuerRelay } from '../services/issuer-relay.ts';

/** `sealift issuer-relay`: answers for the cluster's token issuer under the issuer's own name. Runs in Fulcio's pod. */
export function issuerRelayCommand(runtime: Runtime): Command {
  return new Command('issuer-relay')
    .description("answer discovery and keys under the name of the cluster's token issuer (runs in the cluster)")
    .requiredOption('--listen <address>', 'host:port to listen at')
    .requiredOption('--tls-dir <folder>', 'folder with tls.crt and tls.key, read again when they change')
    .option('--issuer <url>', 'the issuer that is expected; another one is an error')
    .action(async ({ listen, tlsDir, issuer }) => {
      const { log, signal, clock } = runtime;
      const cluster = connectInCluster();
      const raw = async (path: string): Promise<Buffer> => await cluster.raw(path);
      const source = { raw, clock, log, ...(issuer === undefined ? {} : { issuer }) };
      const running = await startIssuerRelay(source, { listen: parseAddress(listen), tlsDir, log, signal });
      await running.closed;
    });
}
