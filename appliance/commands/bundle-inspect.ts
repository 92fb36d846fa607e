import path from 'node:path';

import { Command } from '@commander-js/extra-typings';

import { openBundleOfAnyKeyUnsafe } from '../../mirror/open-bundle.ts';
import { bundleTree, describeBundle } from '../bundle/describe-bundle.ts';
import type { Runtime } from '../runtime.ts';

/** `sealift bundle inspect`: shows what an archive says it holds, whoever signed it. */
export function bundleInspectCommand(runtime: Runtime): Command<[string], { json?: true }> {
  return new Command('inspect')
    .description('show what is in an archive; its key and contents are not judged (see verify)')
    .argument('<file>', 'the archive')
    .option('--json', 'print JSON')
    .action(async (file, { json }) => {
      const reader = await openBundleOfAnyKeyUnsafe(path.resolve(runtime.cwd, file));
      try {
        const described = await describeBundle(reader);
        const lines = json === true ? [JSON.stringify(described, undefined, 2)] : bundleTree(described);
        runtime.stdout.write(`${lines.join('\n')}\n`);
      } finally {
        await reader.close();
      }
    });
}
