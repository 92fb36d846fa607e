import { Command } from '@commander-js/extra-typings';

import type { Runtime } from '../runtime.ts';
import { bundleCreateCommand } from './bundle-create.ts';
import { bundleInspectCommand } from './bundle-inspect.ts';
import { bundleKeygenCommand } from './bundle-keygen.ts';
import { bundleVerifyCommand } from './bundle-verify.ts';

/** `sealift bundle`: the one archive that crosses the air gap. */
export function bundleCommand(runtime: Runtime): Command {
  return new Command('bundle')
    .description('make, check and look into the archive that crosses the air gap')
    .addCommand(bundleCreateCommand(runtime))
    .addCommand(bundleInspectCommand(runtime))
    .addCommand(bundleKeygenCommand(runtime))
    .addCommand(bundleVerifyCommand(runtime));
}
