import { Argument, Command } from '@commander-js/extra-typings';

import { EXIT } from '../exit-code.ts';
import { InstallerError } from '../installer/installer-error.ts';
import { readModes, setMode } from '../installer/namespace-modes.ts';
import { openCluster } from '../installer/open-site.ts';
import { wouldBeRefused } from '../installer/would-be-refused.ts';
import { KINDS } from '../kube/kube-object.ts';
import type { Runtime } from '../runtime.ts';

/** `sealift enforce`: from now on refused images are refused in a namespace, not warned about. */
export function enforceCommand(runtime: Runtime) {
  return new Command('enforce')
    .description('refuse in a namespace what was warned about until now')
    .addArgument(new Argument('<namespace>', 'the namespace'))
    .option('--warn', 'the other way round: only warn from now on')
    .option('-y, --yes', 'also when something that runs there would be refused')
    .option('--kubeconfig <file>', "the site's cluster")
    .option('--context <name>', 'context of the kubeconfig')
    .action(async (namespace, flags) => {
      const { stdout, stderr, cwd } = runtime;
      const cluster = openCluster(flags, cwd);
      if ((await cluster.get({ kind: KINDS.namespace, name: namespace })) === undefined) {
        throw new InstallerError('REFUSED', `there is no namespace ${namespace}`, { fix: 'kubectl get namespaces' });
      }
      if ((await readModes(cluster)) === undefined) {
        throw new InstallerError('REFUSED', 'this cluster is no site: it has no webhook', { fix: 'sealift install' });
      }
      const refused = flags.warn === true ? [] : await wouldBeRefused(cluster, namespace);
      for (const { what, why } of refused) stderr.write(`would be refused: ${what}: ${why}\n`);
      if (refused.length > 0 && flags.yes !== true) {
        stderr.write('nothing was changed; sign these images, or enforce all the same with --yes\n');
        process.exitCode = EXIT.actionNeeded;
        return;
      }
      await setMode(cluster, namespace, flags.warn === true ? 'warn' : 'enforce');
      stdout.write(`${namespace}: ${flags.warn === true ? 'warn' : 'enforce'}\n`);
    });
}
