import { copyFile, mkdir, readFile } from 'node:fs/promises';

import type { BundleReader } from '../../mirror/open-bundle.ts';
import { pinRoot } from '../../trust-root/follow.ts';
import { nodePaths } from '../../trust-root/generation.ts';
import { IMAGES } from '../config/helm-values.ts';
import { writeFileAtomic } from '../kernel/atomic-file.ts';
import { parseImageReference, repositoryName } from '../kernel/image-reference.ts';
import { registryConfig } from './containerd-config.ts';
import type { ContainerdImages } from './containerd-images.ts';
import { InstallerError } from './installer-error.ts';
import { ociArchive } from './oci-archive.ts';
import type { Tell } from './step.ts';

/** What a node is prepared with. */
export interface NodePreparation {
  readonly reader: BundleReader;
  readonly images: ContainerdImages;
  /** `/etc/containerd/config.toml` */
  readonly containerdConfig: string;
  /** The folder of hosts.toml files. */
  readonly configPath: string;
  /** Sealift's folder on the node. */
  readonly stateDir: string;
  /** Root v1 of the site, when it is known already. */
  readonly root?: Buffer;
  readonly tell: Tell;
}

/** What is left to the operator. */
export interface NodePrepared {
  /** True when containerd must be restarted for its changed configuration. */
  readonly needsRestart: boolean;
}

const BOOT_IMAGES = [IMAGES.sealift, IMAGES.registry];

/**
 * Prepares a node: the images that everything else comes from lie in its containerd, pinned; containerd reads hosts.toml
 * files; root v1 is on disk where it was given. Again, it changes nothing.
 * @throws InstallerError `NODE_FAILED`, `BUNDLE_INCOMPLETE`; TrustRootError `PINNED_ROOT_DIFFERS`.
 */
export async function prepareNode(preparation: NodePreparation): Promise<NodePrepared> {
  await mkdir(preparation.stateDir, { recursive: true, mode: 0o755 });
  await importBootImages(preparation);
  const needsRestart = await ensureConfigPath(preparation);
  if (preparation.root !== undefined) {
    await pinRoot(nodePaths(preparation.stateDir), preparation.root);
    preparation.tell('root v1 is on disk');
  }
  return { needsRestart };
}

async function importBootImages({ reader, images, tell }: NodePreparation): Promise<void> {
  const present = await images.names();
  for (const repository of BOOT_IMAGES) {
    const found = reader.inventory.images.find(
      ({ reference }) => repositoryName(parseImageReference(reference)) === repository,
    );
    if (found === undefined) throw new InstallerError('BUNDLE_INCOMPLETE', `the bundle has no image of ${repository}`);
    const { tag = 'latest' } = parseImageReference(found.reference);
    const byTag = `${repository}:${tag}`;
    // Charts name images by digest; kubelet finds an image that was never pulled by exactly that name only.
    const byDigest = `${repository}@${found.descriptor.digest}`;
    if (present.has(byTag) && present.has(byDigest)) {
      tell(`${byTag} is there`);
      continue;
    }
    tell(`${byTag} goes into containerd`);
    await images.importArchive(ociArchive(reader, { ...found.descriptor, name: byTag }));
    await images.tag(byTag, byDigest);
    for (const name of [byTag, byDigest]) await images.pin(name);
  }
}

async function ensureConfigPath({ containerdConfig, configPath, tell }: NodePreparation): Promise<boolean> {
  const text = await readFile(containerdConfig, 'utf8').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw new InstallerError('NODE_FAILED', `${containerdConfig} can't be read`, { cause: error });
  });
  const found = registryConfig(text, configPath);
  if (found.kind === 'configured') {
    if (found.configPath.split(':').includes(configPath)) return false;
    throw new InstallerError(
      'NODE_FAILED',
      `containerd reads hosts.toml from ${found.configPath}, not from ${configPath}`,
      {
        fix: `set nodes.containerdConfigPath to ${found.configPath.split(':')[0] ?? ''}, and pass --containerd-config-path`,
      },
    );
  }
  if (text !== '') await copyFile(containerdConfig, `${containerdConfig}.before-sealift`);
  await writeFileAtomic(containerdConfig, found.corrected);
  tell(`${containerdConfig} names ${configPath} now`);
  return true;
}
