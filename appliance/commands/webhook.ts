import { readFile } from 'node:fs/promises';
import path from 'node:path';

import { Command } from '@commander-js/extra-typings';

import { EXIT } from '../exit-code.ts';
import { connectCluster, connectInCluster } from '../kube/connect.ts';
import type { Runtime } from '../runtime.ts';
import { parseAddress } from '../services/address.ts';
import { startWebhook } from '../webhook/start-webhook.ts';
import { WebhookError } from '../webhook/webhook-error.ts';

/** The name that the site's registry has in the cluster. */
const OWN_REGISTRY = 'registry.sealift-system.svc.cluster.local';

/** `sealift webhook`: judges images at admission. Runs in a pod of every control-plane node. */
export function webhookCommand(runtime: Runtime): Command {
  return new Command('webhook')
    .description('judge the images of workloads at admission (runs in the cluster)')
    .requiredOption('--root-sha256 <hex>', "sha256 of the site's root v1, as `sealift status` shows it")
    .requiredOption('--tls-dir <folder>', 'folder with tls.crt and tls.key, read again when they change')
    .option('--listen <address>', 'host:port to listen at', '0.0.0.0:8443')
    .option('--state <folder>', "Sealift's folder on the node", '/var/lib/sealift')
    .option('--registry <url>', "the site's registry, asked about images that no generation holds yet")
    .option('--registry-ca <file>', "PEM of the CA that the registry's certificate chains to")
    .option('--registry-name <host...>', 'names of the registry itself in image references', [OWN_REGISTRY])
    .option('--kubeconfig <file>', "cluster to read policies from; the pod's own account unless told")
    .action(async (options) => {
      const { clock, log, signal, cwd } = runtime;
      const { kubeconfig, listen } = options;
      const { host = '0.0.0.0', port } = parseAddress(listen);
      const registry = options.registry === undefined ? undefined : await registryOf(options.registry, options, cwd);
      const running = await startWebhook({
        stateFolder: path.resolve(cwd, options.state),
        rootSha256: rootSha256(options.rootSha256),
        listen: { host, port },
        tlsFolder: path.resolve(cwd, options.tlsDir),
        cluster: kubeconfig === undefined ? connectInCluster() : connectCluster({ kubeconfig }),
        ...(registry === undefined ? {} : { registry }),
        clock,
        log,
        signal,
      });
      await running.ended;
    });
}

interface RegistryFlags {
  readonly registryCa?: string | undefined;
  readonly registryName: readonly string[];
}

async function registryOf(text: string, { registryCa, registryName }: RegistryFlags, cwd: string) {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'https:' || url.pathname !== '/' || url.username !== '') {
    throw usage(`--registry: expected https://host[:port], got ${JSON.stringify(text.slice(0, 200))}`);
  }
  const ca =
    registryCa === undefined ? undefined : await readFile(path.resolve(cwd, registryCa), 'utf8').catch(unreadable);
  return { url, ownNames: registryName, ...(ca === undefined ? {} : { ca }) };
}

function unreadable(cause: unknown): never {
  throw usage('--registry-ca: the file can not be read', cause);
}

function rootSha256(text: string): string {
  const hex = text.replace(/^sha256:/, '');
  if (!/^[0-9a-f]{64}$/.test(hex)) throw usage('--root-sha256: expected 64 lower-case hex digits');
  return hex;
}

function usage(message: string, cause?: unknown): WebhookError {
  return new WebhookError('CONFIG_INVALID', message, { cause, exitCode: EXIT.usage });
}
