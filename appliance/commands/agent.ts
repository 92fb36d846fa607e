import path from 'node:path';

import { Command } from '@commander-js/extra-typings';

import { KERNEL_BOOT_ID } from '../../daemonset/boot-id.ts';
import { DaemonsetError } from '../../daemonset/daemonset-error.ts';
import { hostFiles } from '../../daemonset/host-files.ts';
import { restoreNode } from '../../daemonset/restore-node.ts';
import { startAgent } from '../../daemonset/start-agent.ts';
import { EXIT } from '../exit-code.ts';
import { connectInCluster } from '../kube/connect.ts';
import type { Runtime } from '../runtime.ts';
import { parseAddress } from '../services/address.ts';
import { untilAborted } from '../services/until-aborted.ts';

/** `sealift agent`: keeps one node's trust, evidence and hosts.toml. Runs in the DaemonSet. */
export function agentCommand(runtime: Runtime): Command {
  return new Command('agent')
    .description("keep a node's trust, evidence and registry mirrors as the site has them (runs in the cluster)")
    .requiredOption('--node <name>', 'the node that this agent runs on')
    .requiredOption('--root-sha256 <hex>', "sha256 of the site's root v1")
    .requiredOption('--tuf-url <url>', "the site's TUF repository")
    .requiredOption('--registry <url>', "the site's registry as pods reach it")
    .requiredOption('--ca-file <file>', 'PEM of the site CA')
    .option('--registry-address <address>', 'the registry as the node reaches it; without it no hosts.toml is written')
    .option('--mirror-host <host...>', 'registry hosts that lead to the site besides those of its images', [])
    .option('--root-file <file>', "root v1; the TUF server's 1.root.json unless told")
    .option('--state-dir <folder>', "Sealift's folder on the node", '/var/lib/sealift')
    .option('--certs-dir <folder>', "containerd's registry config_path on the node", '/etc/containerd/certs.d')
    .option('--boot-id-file <file>', "where the node's boot id is read", KERNEL_BOOT_ID)
    .option('--listen <address>', 'host:port of /healthz, /readyz and /metrics', '0.0.0.0:8081')
    .option('--restore', 'put the node back as it was before Sealift, then wait to be ended')
    .action(async (options) => {
      const { clock, log, signal, cwd } = runtime;
      const cluster = connectInCluster();
      const stateDir = path.resolve(cwd, options.stateDir);
      const certsDir = path.resolve(cwd, options.certsDir);
      if (options.restore === true) {
        const folders = { certs: hostFiles(certsDir), state: hostFiles(stateDir) };
        const left = await restoreNode({ cluster, name: options.node, folders });
        log.info('the node is as it was before Sealift', { left });
        await untilAborted(parseAddress(options.listen), signal);
        return;
      }
      const { registryAddress, rootFile } = options;
      await startAgent(
        {
          nodeName: options.node,
          rootSha256: rootSha256(options.rootSha256),
          ...(rootFile === undefined ? {} : { rootFile: path.resolve(cwd, rootFile) }),
          tufUrl: httpsUrl('--tuf-url', options.tufUrl),
          registryUrl: httpsUrl('--registry', options.registry),
          caFile: path.resolve(cwd, options.caFile),
          stateDir,
          bootIdFile: path.resolve(cwd, options.bootIdFile),
          ...(registryAddress === undefined
            ? {}
            : { mirror: { certsDir, registryAddress, hosts: options.mirrorHost } }),
          listen: parseAddress(options.listen),
        },
        { cluster, clock, log, signal },
      );
    });
}

function rootSha256(text: string): string {
  const hex = text.replace(/^sha256:/, '');
  if (/^[0-9a-f]{64}$/.test(hex)) return hex;
  throw new DaemonsetError('CONFIG_INVALID', '--root-sha256: expected 64 lower-case hex digits', {
    exitCode: EXIT.usage,
  });
}

function httpsUrl(flag: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:' && url.username === '') return url;
  throw new DaemonsetError(
    'CONFIG_INVALID',
    `${flag}: expected an https URL, got ${JSON.stringify(text.slice(0, 200))}`,
    {
      exitCode: EXIT.usage,
    },
  );
}
