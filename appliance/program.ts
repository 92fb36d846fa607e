import { Command } from '@commander-js/extra-typings';

import type { Runtime } from './runtime.ts';
import { VERSION } from './version.ts';

/** The whole command tree over `runtime`. */
export function buildProgram(runtime: Runtime): Command {
  const program = new Command('sealift')
    .description('Carries signed software, and the trust to check it, into disconnected Kubernetes clusters.')
    .version(VERSION)
    .configureOutput({
      writeOut: (text) => runtime.stdout.write(text),
      writeErr: (text) => runtime.stderr.write(text),
    })
    .showHelpAfterError('(run with --help for the options)');
  return program;
}
