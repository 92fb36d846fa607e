import { IMAGES, imageValue } from '../../config/helm-values.ts';
import { isKubeError } from '../../kube/kube-error.ts';
import { KINDS } from '../../kube/kube-object.ts';
import { waitReady } from '../../kube/wait-ready.ts';
import type { BundledImage } from '../install-bundle.ts';
import { InstallerError } from '../installer-error.ts';
import { nodeFacts } from '../observe.ts';
import { imagesLackedBy } from '../preflight-checks.ts';
import { DONE, type InstallWorld, missing, type Step } from '../step.ts';

/** Kubelet tells of new images with its next status, ten seconds later as a rule. */
const PATIENCE_MS = 25_000;

/** The images that nodes must have before there is a registry to pull from. */
export function bootImages({ bundle, config }: Pick<InstallWorld, 'bundle' | 'config'>): BundledImage[] {
  const wanted = config.registry.kind === 'internal' ? [IMAGES.sealift, IMAGES.registry] : [];
  return wanted.map((repository) => {
    const { digest } = imageValue(bundle.images, repository);
    const found = bundle.images.find((image) => image.repository === repository && image.digest === digest);
    if (found === undefined) throw new InstallerError('BUNDLE_INCOMPLETE', `the bundle lacks ${repository}`);
    return found;
  });
}

/** Waits a moment for a node to tell that it has the images. @returns those that it still lacks. */
async function lackedAfterWaiting(world: InstallWorld, name: string): Promise<string[]> {
  const wanted = bootImages(world);
  let lacked: string[] = [];
  try {
    await waitReady(
      world.cluster,
      { kind: KINDS.node, name },
      {
        timeoutMs: Math.min(PATIENCE_MS, world.readyTimeoutMs),
        signal: world.signal,
        judge: (node) => {
          lacked = node === undefined ? [] : imagesLackedBy(nodeFacts(node, undefined), wanted);
          return { state: lacked.length === 0 ? 'ready' : 'waiting', message: `lacks ${lacked.join(', ')}` };
        },
      },
    );
  } catch (error) {
    if (!isKubeError(error, 'TIMEOUT')) throw error;
  }
  return lacked;
}

/** Nodes were prepared: they hold the images that everything else comes from. */
export const nodes: Step = {
  id: 'nodes',
  title: 'Nodes hold the first images',
  look: async (world) => {
    const wanted = bootImages(world);
    for (const node of await world.cluster.list(KINDS.node)) {
      const lacked = imagesLackedBy(nodeFacts(node, undefined), wanted);
      if (lacked.length > 0) return missing(`node ${node.metadata.name} lacks ${lacked.join(', ')}`);
    }
    return DONE;
  },
  act: async (world, tell) => {
    const lacking: string[] = [];
    for (const node of await world.cluster.list(KINDS.node)) {
      tell(`node ${node.metadata.name}`);
      if ((await lackedAfterWaiting(world, node.metadata.name)).length > 0) lacking.push(node.metadata.name);
    }
    if (lacking.length === 0) return;
    const { containerdSocket, containerdConfigPath } = world.config.nodes;
    const command = `sealift node prepare --bundle ${world.bundle.path} --containerd-socket ${containerdSocket} --containerd-config-path ${containerdConfigPath}`;
    throw new InstallerError(
      'NODES_NOT_PREPARED',
      `these nodes do not have the first images yet: ${lacking.join(', ')}\n  bring the bundle and sealift to each of them and run there, as root:\n    ${command}`,
      { fix: 'prepare these nodes, then run the same command again' },
    );
  },
};
