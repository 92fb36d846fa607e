import { readFile } from 'node:fs/promises';
import path from 'node:path';

import { Command } from '@commander-js/extra-typings';

import { EXIT } from '../exit-code.ts';
import { ctrImages } from '../installer/containerd-images.ts';
import { InstallerError } from '../installer/installer-error.ts';
import { prepareNode } from '../installer/node-prepare.ts';
import { openVerifiedBundle, trustedKeys } from '../installer/open-site.ts';
import type { Runtime } from '../runtime.ts';

/** `sealift node prepare`: puts onto a node what it needs before there is a registry. Runs on the node, as root. */
export function nodePrepareCommand(runtime: Runtime) {
  return new Command('prepare')
    .description('put the first images into the containerd of this node, and the trust root on its disk')
    .requiredOption('-b, --bundle <file>', 'the archive that was carried in')
    .option('--trust-key <key...>', 'whose bundles are taken: sha256:… or a public key file')
    .option('--root <file>', "the site's root v1, when it is known already")
    .option('--containerd-socket <path>', 'where containerd answers', '/run/containerd/containerd.sock')
    .option('--containerd-config <file>', "containerd's configuration", '/etc/containerd/config.toml')
    .option('--containerd-config-path <folder>', 'folder of the hosts.toml files', '/etc/containerd/certs.d')
    .option('--state <folder>', "Sealift's folder on the node", '/var/lib/sealift')
    .action(async (flags) => {
      const { cwd, stdout, stderr, signal } = runtime;
      const inCwd = (file: string): string => path.resolve(cwd, file);
      const reader = await openVerifiedBundle(runtime, inCwd(flags.bundle), await trustedKeys(flags, [], cwd));
      try {
        const root = flags.root === undefined ? undefined : await readRoot(inCwd(flags.root));
        const { needsRestart } = await prepareNode({
          reader,
          images: ctrImages(flags.containerdSocket, signal),
          containerdConfig: flags.containerdConfig,
          configPath: flags.containerdConfigPath,
          stateDir: flags.state,
          ...(root === undefined ? {} : { root }),
          tell: (line) => void stdout.write(`${line}\n`),
        });
        if (!needsRestart) {
          stdout.write('This node is prepared.\n');
          return;
        }
        stderr.write('containerd must be restarted for its new configuration: systemctl restart containerd\n');
        process.exitCode = EXIT.actionNeeded;
      } finally {
        await reader.close();
      }
    });
}

async function readRoot(file: string): Promise<Buffer> {
  return readFile(file).catch((cause: unknown) => {
    throw new InstallerError('NODE_FAILED', `${file} can't be read`, { cause, fix: 'name root v1 with --root' });
  });
}
