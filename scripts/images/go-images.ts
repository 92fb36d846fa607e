import { ensureBinaries } from '../lab/build-binaries.ts';
import { binaryPin } from '../lab/pins.ts';
import { baseLayer, CERTIFICATES_ENV, NONROOT, PATH_ENV } from './base-layer.ts';
import type { Image, ImageConfig } from './image.ts';
import { program } from './layer-files.ts';

/** A server that upstream builds with ko: one static program at `/ko-app/<name>`, which is the entry point. */
interface KoImage {
  readonly repository: string;
  /** Other names that the same image goes by. */
  readonly alsoAt?: readonly string[];
  readonly binary: string;
  /** The program's name in the image, when it isn't the binary's. */
  readonly program?: string;
  readonly config?: ImageConfig;
}

/** Sources of every fact: docs/image-contracts.md. */
export const KO_IMAGES: readonly KoImage[] = [
  { repository: 'ghcr.io/sigstore/scaffolding/trillian_log_server', binary: 'trillian_log_server' },
  { repository: 'ghcr.io/sigstore/scaffolding/trillian_log_signer', binary: 'trillian_log_signer' },
  { repository: 'ghcr.io/sigstore/scaffolding/ct_server', binary: 'ct_server' },
  { repository: 'ghcr.io/sigstore/rekor/rekor-server', binary: 'rekor-server' },
  { repository: 'ghcr.io/sigstore/fulcio', alsoAt: ['ghcr.io/sigstore/fulcio/fulcio'], binary: 'fulcio' },
  {
    repository: 'ghcr.io/sigstore/timestamp-server',
    alsoAt: ['ghcr.io/sigstore/timestamp-authority/timestamp-server'],
    binary: 'timestamp-server',
  },
  { repository: 'ghcr.io/sigstore/cosign/cosign', binary: 'cosign' },
];

/** The image of one of {@link KO_IMAGES}, at the version its program is pinned to. */
export async function koImage({ repository, alsoAt = [], binary, ...rest }: KoImage): Promise<Image> {
  const built = await ensureBinaries([binary]);
  const at = `ko-app/${rest.program ?? binary}`;
  const tag = binaryPin(binary).version;
  const config: ImageConfig = {
    user: `${NONROOT}`,
    // ko puts its folder at the end of the base image's search path, and names the folder of its static files.
    env: [`${PATH_ENV}:/ko-app`, CERTIFICATES_ENV, 'KO_DATA_PATH=/var/run/ko'],
    entrypoint: [`/${at}`],
    workingDir: '/home/nonroot',
    ...rest.config,
  };
  const layers = [await baseLayer(), [await program(at, built.get(binary) ?? '')]];
  return {
    reference: `${repository}:${tag}`,
    aliases: alsoAt.map((name) => `${name}:${tag}`),
    platforms: [{ architecture: 'amd64', config, layers }],
  };
}

/** Trillian's own tools for trees. There is no upstream image of them that leaves the cluster's objects alone. */
export async function createtreeImage(version: string): Promise<Image> {
  const built = await ensureBinaries(['createtree', 'updatetree']);
  const tools = await Promise.all([...built].map(async ([name, file]) => await program(`usr/local/bin/${name}`, file)));
  return {
    reference: `registry.sealift.internal/sealift/createtree:${version}`,
    platforms: [
      {
        architecture: 'amd64',
        config: {
          user: `${NONROOT}`,
          env: [PATH_ENV, CERTIFICATES_ENV],
          entrypoint: ['/usr/local/bin/createtree'],
          workingDir: '/home/nonroot',
        },
        layers: [await baseLayer(), tools],
      },
    ],
  };
}
