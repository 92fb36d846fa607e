import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';
import { writeFileAtomic } from '../../appliance/kernel/atomic-file.ts';
import { cacheFolder } from '../lab/cache.ts';
import { baseLayer, C_LIBRARIES, CERTIFICATES_ENV, debianLayer, NONROOT, PATH_ENV } from './base-layer.ts';
import type { Image } from './image.ts';
import { program, textFile } from './layer-files.ts';

const PROJECT = path.resolve(import.meta.dirname, '../..');

/**
 * Sealift's own image, one for all of its servers: `args` name the subcommand (`agent`, `webhook`, …). The Node that
 * the project pins, the C and C++ libraries that it needs, and Sealift as one JavaScript file.
 * @param bundle path of that file, as {@link bundleSealift} makes it.
 */
export async function sealiftImage(version: string, bundle: string): Promise<Image> {
  const node = await program('usr/local/bin/node', path.join(PROJECT, 'node_modules/node/bin/node'));
  const libraries = await debianLayer(C_LIBRARIES, (at) => /^lib64\/|\.so/.test(at));
  return {
    reference: `registry.sealift.internal/sealift/sealift:${version}`,
    platforms: [
      {
        architecture: 'amd64',
        config: {
          user: `${NONROOT}`,
          env: [PATH_ENV, CERTIFICATES_ENV, 'NODE_ENV=production'],
          entrypoint: ['/usr/local/bin/node', '--enable-source-maps', '/opt/sealift/sealift.cjs'],
          workingDir: '/home/nonroot',
          labels: { 'org.opencontainers.image.title': 'sealift', 'org.opencontainers.image.version': version },
        },
        layers: [
          await baseLayer(),
          [...libraries, node],
          [textFile('opt/sealift/sealift.cjs', await readFile(bundle))],
        ],
      },
    ],
  };
}

/**
 * Bundles the command line with everything that it imports into one CommonJS file in the cache.
 * @returns the file's path; it holds the digest of its content, so that two states of the project don't meet in it.
 */
export async function bundleSealift(entry: string = path.join(PROJECT, 'appliance/cli.ts')): Promise<string> {
  const result = await build({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    sourcemap: 'inline',
    sourcesContent: false,
    logLevel: 'error',
    absWorkingDir: PROJECT,
    write: false,
  });
  const [output] = result.outputFiles;
  if (output === undefined) throw new Error('esbuild made no file');
  const name = createHash('sha256').update(output.contents).digest('hex').slice(0, 16);
  const file = path.join(cacheFolder(), 'bundles', `sealift-${name}.cjs`);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFileAtomic(file, output.contents);
  return file;
}
