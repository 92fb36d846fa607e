import { readFile } from 'node:fs/promises';
import path from 'node:path';

import { Command } from '@commander-js/extra-typings';

import { DaemonsetError } from '../../daemonset/daemonset-error.ts';
import { startController } from '../../daemonset/start-controller.ts';
import { EXIT } from '../exit-code.ts';
import { connectInCluster } from '../kube/connect.ts';
import type { Runtime } from '../runtime.ts';

/** `sealift controller`: taints nodes that are not synced, publishes the site's state. One of its replicas leads. */
export function controllerCommand(runtime: Runtime): Command {
  return new Command('controller')
    .description("taint nodes whose trust is not synced, publish the site's state (runs in the cluster)")
    .requiredOption('--name <name>', "this replica's name, such as its pod's")
    .requiredOption('--registry <url>', "the site's registry")
    .requiredOption('--ca-file <file>', 'PEM of the site CA')
    .option('--namespace <name>', "Sealift's own namespace", 'sealift-system')
    .option('--stack-namespace <name>', 'namespace of the TUF repository and its online keys', 'sigstore-system')
    .option(
      '--keys-secret <name>',
      'Secret there with snapshot.pem, timestamp.pem and site-state.pem',
      'tuf-online-keys',
    )
    .action(async ({ name, registry, caFile, namespace, stackNamespace, keysSecret }) => {
      const { clock, log, signal, cwd } = runtime;
      const registryUrl = URL.canParse(registry) ? new URL(registry) : undefined;
      if (registryUrl?.protocol !== 'https:') throw usage('--registry: expected an https URL');
      const ca = await readFile(path.resolve(cwd, caFile), 'utf8').catch((cause: unknown) => {
        throw usage(`--ca-file: ${caFile} can't be read`, cause);
      });
      const settings = { name, registryUrl, ca, namespace, stackNamespace, keysSecret };
      await startController(settings, { cluster: connectInCluster(), clock, log, signal });
    });
}

function usage(message: string, cause?: unknown): DaemonsetError {
  return new DaemonsetError('CONFIG_INVALID', message, { cause, exitCode: EXIT.usage });
}
