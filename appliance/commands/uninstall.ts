import path from 'node:path';

import { Command } from '@commander-js/extra-typings';

import { EXIT } from '../exit-code.ts';
import { personAtTerminal } from '../installer/ask.ts';
import { withInstallLease } from '../installer/install-lease.ts';
import { openCluster, openVerifiedBundle, trustedKeys, unpackBundle, withWorkFolder } from '../installer/open-site.ts';
import { runWithProgress } from '../installer/progress.ts';
import { assertLogId, destroyItem, uninstallItems } from '../installer/uninstall.ts';
import type { Runtime } from '../runtime.ts';

const READY_TIMEOUT_MS = 180_000;

interface Flags {
  readonly bundle: string;
  readonly trustKey?: string[] | undefined;
  readonly destroyLog?: string | undefined;
  readonly yes?: true | undefined;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}

/** `sealift uninstall`: takes a site away, and keeps what can't be made again. */
export function uninstallCommand(runtime: Runtime) {
  return new Command('uninstall')
    .description('take a site away; its log, keys and trust stay unless the log id is typed')
    .requiredOption(
      '-b, --bundle <file>',
      'the archive that the site was installed from: it brings helm and the charts',
    )
    .option('--trust-key <key...>', 'whose bundles are taken: sha256:… or a public key file')
    .option('--destroy-log <id>', "also destroy log database, keys and trust; the log's id proves that it is meant")
    .option('-y, --yes', 'go ahead without asking')
    .option('--kubeconfig <file>', "the site's cluster")
    .option('--context <name>', 'context of the kubeconfig')
    .action((flags) => withWorkFolder((folder) => uninstall(runtime, flags, folder)));
}

async function uninstall(runtime: Runtime, flags: Flags, workFolder: string): Promise<void> {
  const { cwd, clock, signal, stdout, isTty } = runtime;
  const reader = await openVerifiedBundle(runtime, path.resolve(cwd, flags.bundle), await trustedKeys(flags, [], cwd));
  try {
    const cluster = openCluster(flags, cwd);
    const { bundle, helm } = await unpackBundle(reader, workFolder, { cluster, flags, runtime });
    const world = { cluster, helm, bundle, signal, readyTimeoutMs: READY_TIMEOUT_MS };
    if (flags.destroyLog !== undefined) await assertLogId(world, flags.destroyLog);
    const question = `Take the site at ${cluster.server} away?`;
    if (flags.yes !== true && !(await personAtTerminal(isTty, signal).confirm(question, false))) {
      process.exitCode = EXIT.actionNeeded;
      return;
    }
    const output = { isTty, output: stdout };
    await withInstallLease({ cluster, clock }, () => runWithProgress(uninstallItems(world), output));
    if (flags.destroyLog !== undefined) await runWithProgress([destroyItem(world)], output);
    stdout.write('The site is gone. On each node, sealift node restore takes the first images away, too.\n');
  } finally {
    await reader.close();
  }
}
