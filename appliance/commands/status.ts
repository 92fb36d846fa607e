import { Command } from '@commander-js/extra-typings';

import { EXIT } from '../exit-code.ts';
import { openCluster } from '../installer/open-site.ts';
import { complaintsOf, siteStatus, statusLines } from '../installer/site-status.ts';
import type { Runtime } from '../runtime.ts';

/** `sealift status`: how a site stands. */
export function statusCommand(runtime: Runtime) {
  return new Command('status')
    .description('show components, versions, expiries, and the age of trust on each node')
    .option('--json', 'print JSON')
    .option('--kubeconfig <file>', "the site's cluster")
    .option('--context <name>', 'context of the kubeconfig')
    .action(async (flags) => {
      const { stdout, stderr, cwd, clock } = runtime;
      const status = await siteStatus(openCluster(flags, cwd), clock);
      const complaints = complaintsOf(status);
      const lines =
        flags.json === true ? [JSON.stringify({ ...status, complaints }, undefined, 2)] : statusLines(status);
      stdout.write(`${lines.join('\n')}\n`);
      if (complaints.length === 0) return;
      if (flags.json !== true) stderr.write(`${complaints.map((line) => `look at: ${line}`).join('\n')}\n`);
      process.exitCode = EXIT.actionNeeded;
    });
}
