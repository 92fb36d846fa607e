import path from 'node:path';

import { Command } from '@commander-js/extra-typings';

import { clientKit } from '../../trust-root/client-kit.ts';
import { writeFileAtomic } from '../kernel/atomic-file.ts';
import type { Runtime } from '../runtime.ts';
import { checkGeneration } from '../trust/check-generation.ts';
import { readInput } from '../trust/read-inputs.ts';

/** `sealift trust kit`: what a developer on the site needs, as a folder. */
export function trustKitCommand(runtime: Runtime) {
  return new Command('kit')
    .description(
      'write the client kit: pinned root, trusted root, signing config, site CA and the commands that use them',
    )
    .argument('<folder>', 'where the kit goes')
    .requiredOption('--from <folder>', "a node's folder or one generation, checked first")
    .requiredOption('--root <file>', "the site's root v1")
    .requiredOption('--ca <file>', "the site's CA in PEM")
    .requiredOption('--url <url>', 'where the repository is served')
    .action(async (folder, { from, root, ca, url }) => {
      const inCwd = (file: string): string => path.resolve(runtime.cwd, file);
      const request = { folder: inCwd(from), rootFile: inCwd(root), clock: runtime.clock };
      const generation = await checkGeneration(request);
      const siteCa = (await readInput(inCwd(ca))).toString('utf8');
      const files = await clientKit(generation, { root: await readInput(inCwd(root)), siteCa, repositoryUrl: url });
      for (const [name, bytes] of files) await writeFileAtomic(path.join(inCwd(folder), name), bytes);
      runtime.stdout.write(`${files.size} files in ${folder}\n`);
    });
}
