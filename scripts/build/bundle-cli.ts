import { mkdir } from 'node:fs/promises';
import path from 'node:path';

import { build } from 'esbuild';

/**
 * Bundles the command line and everything that it imports into one CommonJS file, the form that Node's
 * single-executable applications take. The same input gives the same bytes.
 */
export async function bundleCli(root: string, outFile: string): Promise<void> {
  await mkdir(path.dirname(outFile), { recursive: true });
  await build({
    entryPoints: [path.join(root, 'appliance', 'cli.ts')],
    outfile: outFile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    // Names of classes are part of what an error says.
    keepNames: true,
    legalComments: 'none',
    logLevel: 'warning',
    define: { 'import.meta.url': '__filename' },
  });
}
