import path from 'node:path';

import { Command } from '@commander-js/extra-typings';

import type { Runtime } from '../runtime.ts';
import { lintPolicy } from '../verification/lint-policy.ts';
import { readPolicyFiles } from '../verification/offline-inputs.ts';

/** `sealift policy`: what can be said about policies before they are in force. */
export function policyCommand(runtime: Runtime): Command {
  const command = new Command('policy').description('look at ClusterImagePolicies before they are in force');
  command
    .command('lint')
    .description('check policies, and warn of what means something else than it seems to')
    .argument('<file...>', 'ClusterImagePolicies in YAML or JSON')
    .action(async (files) => {
      const policies = await readPolicyFiles(files.map((file) => path.resolve(runtime.cwd, file)));
      const lines = policies.flatMap((policy) => lintPolicy(policy).map((line) => `${policy.name}: ${line}`));
      runtime.stdout.write([...lines, `${policies.length} policies, ${lines.length} warnings`, ''].join('\n'));
    });
  return command;
}
