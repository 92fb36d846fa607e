import path from 'node:path';

import type { Command } from '@commander-js/extra-typings';

import type { RepositoryPolicy } from '../../trust-root/repository-policy.ts';
import type { Runtime } from '../runtime.ts';
import { readExpiries } from '../trust/read-inputs.ts';

/** Adds the flags that say where the repository is, and how long its metadata lives. */
export function withRepositoryFlags<Args extends unknown[], Options extends Record<string, unknown>>(
  command: Command<Args, Options>,
) {
  return command
    .option('--repository <folder>', 'a repository in a folder; else the one in the cluster')
    .option('--in-cluster', "reach the cluster with this pod's own account")
    .option('--kubeconfig <file>', 'kubeconfig of the cluster')
    .option('--context <name>', 'context of the kubeconfig')
    .option('--namespace <name>', 'namespace that holds the repository', 'sigstore-system')
    .option('--expiries <file>', 'JSON with expiryDays and signAtDaysLeft of roles that differ from the defaults');
}

/** The expiries and signing windows in force. */
export function expiriesOf(
  runtime: Runtime,
  { expiries }: { expiries?: string | undefined },
): Promise<RepositoryPolicy> {
  return readExpiries(expiries === undefined ? undefined : path.resolve(runtime.cwd, expiries));
}
