import { ensureBinaries } from '../lab/build-binaries.ts';
import { binaryPin } from '../lab/pins.ts';
import { baseLayer, CERTIFICATES_ENV, NONROOT, PATH_ENV } from './base-layer.ts';
import type { Image, ImageConfig } from './image.ts';
import { program } from './layer-files.ts';

/** A server that upstream builds with ko: one static program at `/ko-app/<name>`, which is the entry point. */
interface KoImage {
  readonly repository: string;
  readonly binary: string;
}

/** Sources of every fact: docs/image-contracts.md. */
export const KO_IMAGES: readonly KoImage[] = [
  { repository: 'ghcr.io/sigstore/scaffolding/trillian_log_server', binary: 'trillian_log_server' },
  { repository: 'ghcr.io/sigstore/scaffolding/trillian_log_signer', binary: 'trillian_log_signer' },
  { repository: 'ghcr.io/sigstore/scaffolding/ct_server', binary: 'ct_server' },
  { repository: 'ghcr.io/sigstore/rekor/rekor-server', binary: 'rekor-server' },
  { repository: 'ghcr.io/sigstore/fulcio', binary: 'fulcio' },
  { repository: 'ghcr.io/sigstore/timestamp-server', binary: 'timestamp-server' },
  { repository: 'ghcr.io/sigstore/cosign/cosign', binary: 'cosign' },
];

/** The image of one of {@link KO_IMAGES}, at the version its program is pinned to. */
export async function koImage({ repository, binary }: KoImage): Promise<Image> {
  const built = await ensureBinaries([binary]);
  const at = `ko-app/${binary}`;
  const config: ImageConfig = {
    user: `${NONROOT}`,
    // ko puts its folder at the end of the base image's search path, and names the folder of its static files.
    env: [`${PATH_ENV}:/ko-app`, CERTIFICATES_ENV, 'KO_DATA_PATH=/var/run/ko'],
    entrypoint: [`/${at}`],
    workingDir: '/home/nonroot',
  };
  const layers = [await baseLayer(), [await program(at, built.get(binary) ?? '')]];
  return {
    reference: `${repository}:${binaryPin(binary).version}`,
    platforms: [{ architecture: 'amd64', config, layers }],
  };
}
