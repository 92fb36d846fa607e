import { Command } from '@commander-js/extra-typings';

import type { Runtime } from '../runtime.ts';
import { nodePrepareCommand } from './node-prepare.ts';
import { nodeRestoreCommand } from './node-restore.ts';

/** `sealift node …`: what is done on a node itself, as root. */
export function nodeCommand(runtime: Runtime) {
  return new Command('node')
    .description('prepare a node, or put it back')
    .addCommand(nodePrepareCommand(runtime))
    .addCommand(nodeRestoreCommand(runtime));
}
