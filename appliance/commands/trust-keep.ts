import path from 'node:path';

import { Command } from '@commander-js/extra-typings';

import { statusOf } from '../../trust-root/refresh.ts';
import { loadRepository } from '../../trust-root/repository-state.ts';
import { TrustRootError } from '../../trust-root/trust-root-error.ts';
import type { Runtime } from '../runtime.ts';
import { checkGeneration, generationLines } from '../trust/check-generation.ts';
import { refreshTrust, rolesToActOn, statusLines } from '../trust/keep-current.ts';
import { readOnlineKeys } from '../trust/key-folder.ts';
import { openRepository } from '../trust/repository-location.ts';
import { expiriesOf, withRepositoryFlags } from './trust-flags.ts';

/** `sealift trust refresh`: signs anew what is due. The cluster's CronJob runs it. */
export function trustRefreshCommand(runtime: Runtime) {
  return withRepositoryFlags(
    new Command('refresh').description('sign anew what the online keys may sign and what is due'),
  )
    .requiredOption('--keys <folder>', 'folder with snapshot.pem, timestamp.pem and site-state.pem')
    .action(async (options) => {
      const store = openRepository(runtime, options);
      const policy = await expiriesOf(runtime, options);
      const signers = await readOnlineKeys(path.resolve(runtime.cwd, options.keys));
      const { published, pruned, roles } = await refreshTrust({ store, clock: runtime.clock, policy, signers });
      const signed = published === undefined ? 'nothing was due' : `signed anew: ${published.roles.join(', ')}`;
      runtime.stdout.write(`${signed}; ${pruned} old files removed\n`);
      for (const { role, expires } of rolesToActOn(roles)) {
        runtime.stderr.write(`warning: ${role} expires ${expires.toISOString()}, and its keys are not here\n`);
      }
    });
}

/** `sealift trust status`: how long each role's metadata still lives. */
export function trustStatusCommand(runtime: Runtime) {
  return withRepositoryFlags(new Command('status').description("show each role's version, expiry and keys"))
    .option('--json', 'print JSON')
    .action(async (options) => {
      const state = await loadRepository(openRepository(runtime, options));
      const roles = statusOf(state, await expiriesOf(runtime, options), runtime.clock.now());
      const lines = options.json === true ? [JSON.stringify(roles, undefined, 2)] : statusLines(roles);
      runtime.stdout.write(`${lines.join('\n')}\n`);
      const due = rolesToActOn(roles);
      if (due.length === 0) return;
      throw new TrustRootError('ROLES_DUE', `to be signed anew: ${due.map(({ role }) => role).join(', ')}`, {
        fix: 'sealift trust renew ROLE for offline roles, sealift trust refresh for the others',
      });
    });
}

/** `sealift trust verify`: checks what lies on a node. */
export function trustVerifyCommand(runtime: Runtime) {
  return new Command('verify')
    .description("check a node's generation: the whole TUF chain from its root, and every target")
    .argument('<folder>', "a node's folder (/var/lib/sealift), or one generation")
    .option('--root <file>', "the root to check from; a node's own unless told")
    .action(async (folder, { root }) => {
      const rootFile = root === undefined ? undefined : path.resolve(runtime.cwd, root);
      const request = { folder: path.resolve(runtime.cwd, folder), rootFile, clock: runtime.clock };
      runtime.stdout.write(`${generationLines(await checkGeneration(request)).join('\n')}\n`);
    });
}
