import path from 'node:path';

import { Argument, Command, Option } from '@commander-js/extra-typings';

import { digestOf } from '../kernel/digest.ts';
import type { Runtime } from '../runtime.ts';
import { initTrust, parseKeyCount, publishTrust, renewTrust } from '../trust/author.ts';
import { readPassphrase } from '../trust/key-folder.ts';
import { readTargets } from '../trust/read-inputs.ts';
import { openRepository } from '../trust/repository-location.ts';
import { expiriesOf, withRepositoryFlags } from './trust-flags.ts';

const KEYS = 'folder of the passphrase-encrypted offline keys';
const ONLINE = 'folder of the online keys, as the cluster has them in a Secret';
const PASSPHRASE = 'file whose first line is the passphrase; else SEALIFT_PASSPHRASE';

/** `sealift trust init`: new keys and a new repository. */
export function trustInitCommand(runtime: Runtime) {
  return withRepositoryFlags(new Command('init').description('make all keys and a new repository'))
    .requiredOption('--keys <folder>', KEYS)
    .requiredOption('--online-keys <folder>', ONLINE)
    .option('--passphrase-file <file>', PASSPHRASE)
    .option(
      '--root-keys <M-of-N>',
      'how many root keys, and how many must sign',
      parseKeyCount,
      parseKeyCount('2-of-3'),
    )
    .option('--targets-keys <M-of-N>', 'the same for targets', parseKeyCount, parseKeyCount('2-of-3'))
    .option('--upstream-keys <M-of-N>', 'the same for upstream trust', parseKeyCount, parseKeyCount('1-of-1'))
    .addOption(
      new Option('--algorithm <name>', 'kind of all keys')
        .choices(['p256', 'ed25519'] as const)
        .default('p256' as const),
    )
    .option('--target <NAME=FILE...>', 'a first target')
    .action(async (options) => {
      const inCwd = (file: string): string => path.resolve(runtime.cwd, file);
      const root = await initTrust({
        store: openRepository(runtime, options),
        clock: runtime.clock,
        policy: await expiriesOf(runtime, options),
        keyFolder: inCwd(options.keys),
        onlineKeyFolder: inCwd(options.onlineKeys),
        passphrase: await readPassphrase(runtime, options.passphraseFile),
        algorithm: options.algorithm,
        counts: { root: options.rootKeys, targets: options.targetsKeys, upstream: options.upstreamKeys },
        targets: await readTargets(options.target ?? [], runtime.cwd),
      });
      if (options.rootKeys.threshold === 1) {
        runtime.stderr.write('warning: one root key opens everything, and losing it loses the site; 2-of-3 is safer\n');
      }
      runtime.stdout.write(
        `repository made; root v1 is ${digestOf(root)}\nmove the keys in ${options.keys} to their officers\n`,
      );
    });
}

/** `sealift trust publish`: top-level targets, signed with the offline keys. */
export function trustPublishCommand(runtime: Runtime) {
  return withRepositoryFlags(new Command('publish').description('publish top-level targets'))
    .requiredOption('--keys <folder>', KEYS)
    .requiredOption('--online-keys <folder>', ONLINE)
    .option('--passphrase-file <file>', PASSPHRASE)
    .option('--target <NAME=FILE...>', 'a target to add or replace')
    .option('--remove <NAME...>', 'a target to take away')
    .action(async (options) => {
      const inCwd = (file: string): string => path.resolve(runtime.cwd, file);
      const published = await publishTrust({
        store: openRepository(runtime, options),
        clock: runtime.clock,
        policy: await expiriesOf(runtime, options),
        keyFolder: inCwd(options.keys),
        onlineKeyFolder: inCwd(options.onlineKeys),
        passphrase: await readPassphrase(runtime, options.passphraseFile),
        set: await readTargets(options.target ?? [], runtime.cwd),
        remove: new Set(options.remove ?? []),
      });
      runtime.stdout.write(
        `published: timestamp v${published.timestampVersion}, snapshot v${published.snapshotVersion}\n`,
      );
    });
}

/** `sealift trust renew`: an offline role for another period, with the same keys and content. */
export function trustRenewCommand(runtime: Runtime) {
  return withRepositoryFlags(new Command('renew').description('sign an offline role anew with the keys it has'))
    .addArgument(new Argument('<role>', 'the role').choices(['root', 'targets', 'upstream'] as const))
    .requiredOption('--keys <folder>', KEYS)
    .requiredOption('--online-keys <folder>', ONLINE)
    .option('--passphrase-file <file>', PASSPHRASE)
    .action(async (role, options) => {
      const request = {
        store: openRepository(runtime, options),
        clock: runtime.clock,
        policy: await expiriesOf(runtime, options),
        keyFolder: path.resolve(runtime.cwd, options.keys),
        onlineKeyFolder: path.resolve(runtime.cwd, options.onlineKeys),
        passphrase: await readPassphrase(runtime, options.passphraseFile),
      };
      runtime.stdout.write(`signed anew: ${role} v${await renewTrust(request, role)}\n`);
    });
}
