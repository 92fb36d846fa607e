import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { bundleCli } from '../build/bundle-cli.ts';
import { baseLayer, C_LIBRARIES, CERTIFICATES_ENV, debianLayer, NONROOT, PATH_ENV } from './base-layer.ts';
import type { Image } from './image.ts';
import { program, textFile } from './layer-files.ts';

const PROJECT = path.resolve(import.meta.dirname, '../..');

/**
 * Sealift's own image, one for all of its servers: `args` name the subcommand (`agent`, `webhook`, …). The Node that
 * the project pins, the C and C++ libraries that it needs, and Sealift as one JavaScript file.
 * @param bundle that file's content, as {@link bundleSealift} makes it.
 */
export async function sealiftImage(version: string, bundle: Buffer): Promise<Image> {
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
        layers: [await baseLayer(), [...libraries, node], [textFile('opt/sealift/sealift.cjs', bundle)]],
      },
    ],
  };
}

/** The command line and all that it imports in one file, as the executables have it. */
export async function bundleSealift(): Promise<Buffer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-bundle-'));
  try {
    const file = path.join(folder, 'sealift.cjs');
    await bundleCli(PROJECT, file);
    return await readFile(file);
  } finally {
    await rm(folder, { recursive: true });
  }
}
