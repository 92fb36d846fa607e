import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ensureBinaries } from '../lab/build-binaries.ts';
import { baseLayer, PATH_ENV } from './base-layer.ts';
import { busyboxLayer } from './busybox-layer.ts';
import type { Image } from './image.ts';
import { folder, program, textFile } from './layer-files.ts';

const HERE = path.join(import.meta.dirname, 'registry');

/** CNCF distribution as the official `registry` image has it. Its base there is Alpine; here busybox takes that place. */
export async function registryImage(): Promise<Image> {
  const built = await ensureBinaries(['registry']);
  return {
    reference: 'docker.io/library/registry:3',
    platforms: [
      {
        architecture: 'amd64',
        config: {
          env: [PATH_ENV, 'OTEL_TRACES_EXPORTER=none'],
          entrypoint: ['/entrypoint.sh'],
          cmd: ['/etc/distribution/config.yml'],
          exposedPorts: ['5000/tcp'],
          volumes: ['/var/lib/registry'],
        },
        layers: [
          [...(await baseLayer()), ...(await busyboxLayer())],
          [
            await program('bin/registry', built.get('registry') ?? ''),
            textFile('entrypoint.sh', await readFile(path.join(HERE, 'entrypoint.sh')), { mode: 0o755 }),
            textFile('etc/distribution/config.yml', await readFile(path.join(HERE, 'config.yml'))),
            folder('var/lib/registry'),
          ],
        ],
      },
    ],
  };
}

/** The official busybox image: its shell is what it runs. */
export async function busyboxImage(): Promise<Image> {
  return {
    reference: 'docker.io/library/busybox:1.35',
    platforms: [
      {
        architecture: 'amd64',
        config: { env: [PATH_ENV], cmd: ['sh'] },
        layers: [[...(await baseLayer()), ...(await busyboxLayer())]],
      },
    ],
  };
}
