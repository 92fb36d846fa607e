import { Command } from '@commander-js/extra-typings';

import { restoreHosts } from '../../daemonset/containerd-hosts.ts';
import { hostFiles } from '../../daemonset/host-files.ts';
import { IMAGES } from '../config/helm-values.ts';
import { ctrImages } from '../installer/containerd-images.ts';
import type { Runtime } from '../runtime.ts';

/** `sealift node restore`: puts a node back as it was before Sealift. Runs on the node, as root. */
export function nodeRestoreCommand(runtime: Runtime) {
  return new Command('restore')
    .description('put the hosts.toml files of this node back, and take the first images away')
    .option('--containerd-socket <path>', 'where containerd answers', '/run/containerd/containerd.sock')
    .option('--containerd-config-path <folder>', 'folder of the hosts.toml files', '/etc/containerd/certs.d')
    .option('--state <folder>', "Sealift's folder on the node", '/var/lib/sealift')
    .action(async (flags) => {
      const { stdout, stderr, signal } = runtime;
      const folders = { certs: hostFiles(flags.containerdConfigPath), state: hostFiles(flags.state) };
      for (const name of await restoreHosts(folders)) stderr.write(`left as it is, somebody changed it: ${name}\n`);
      const images = ctrImages(flags.containerdSocket, signal);
      const ours = [IMAGES.sealift, IMAGES.registry];
      for (const name of await images.names()) {
        if (!ours.some((repository) => name.startsWith(`${repository}:`) || name.startsWith(`${repository}@`)))
          continue;
        await images.remove(name);
        stdout.write(`removed ${name}\n`);
      }
      stdout.write(`This node is as it was before; ${flags.state} keeps trust for a later installation.\n`);
    });
}
