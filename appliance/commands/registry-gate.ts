import { readFile } from 'node:fs/promises';

import { Command } from '@commander-js/extra-typings';

import { EXIT } from '../exit-code.ts';
import type { Runtime } from '../runtime.ts';
import { parseAddress } from '../services/address.ts';
import { startRegistryGate } from '../services/registry-gate.ts';
import { ServiceError } from '../services/service-error.ts';

/** `sealift registry-gate`: stands before the site's registry, in its pod. */
export function registryGateCommand(runtime: Runtime): Command {
  return new Command('registry-gate')
    .description(
      "let everybody read the site's registry, and nobody write the names of other registries (runs in the cluster)",
    )
    .requiredOption('--listen <address>', 'host:port to listen at')
    .requiredOption('--to <url>', 'the registry behind: http(s)://host:port')
    .requiredOption('--tls-dir <folder>', 'folder with tls.crt and tls.key, read again when they change')
    .option('--ca <file>', "PEM of the CA that the registry's certificate chains to")
    .action(async ({ listen, to, tlsDir, ca }) => {
      const { log, signal } = runtime;
      const url = URL.canParse(to) ? new URL(to) : undefined;
      if (url === undefined || !/^https?:$/.test(url.protocol)) {
        throw new ServiceError('ADDRESS_INVALID', `--to: expected http(s)://host:port, got ${JSON.stringify(to)}`, {
          exitCode: EXIT.usage,
        });
      }
      const pem = ca === undefined ? {} : { ca: await readFile(ca, 'utf8') };
      const running = await startRegistryGate({ listen: parseAddress(listen), to: url, tlsDir, ...pem, log, signal });
      await running.closed;
    });
}
