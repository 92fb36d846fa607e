import { sha256Hex } from '../../../trust-root/tuf-client.ts';
import { nodeAgentValues, registryHost } from '../../config/helm-values.ts';
import type { HelmValues } from '../../helm/helm.ts';
import { KINDS } from '../../kube/kube-object.ts';
import { chartStep } from '../chart-step.ts';
import { InstallerError } from '../installer-error.ts';
import { SEALIFT } from '../site-names.ts';
import type { InstallWorld, Step } from '../step.ts';
import { registryAddress } from './registry.ts';
import { rootV1 } from './tuf.ts';

const RELEASE = { name: 'node-agent', namespace: SEALIFT };

async function values(world: InstallWorld): Promise<HelmValues> {
  const root = await rootV1(world);
  if (root === undefined) throw new InstallerError('STEP_UNFINISHED', 'there is no trust repository');
  const { config, bundle } = world;
  const address = config.registry.kind === 'internal' ? await registryAddress(world) : registryHost(config);
  const mirrorHosts = [...new Set(bundle.images.map(({ repository }) => repository.split('/')[0] ?? ''))].sort();
  return nodeAgentValues(config, {
    images: bundle.images,
    podAnnotations: {},
    rootSha256: sha256Hex(root),
    registryAddress: address ?? '',
    mirrorHosts,
  });
}

/** The agents lead containerd to the site's registry from here on; their controller keeps the nodes' taints. */
export const nodeAgent: Step = chartStep({
  title: 'Node agents and their controller',
  release: RELEASE,
  workloads: [
    { kind: KINDS.daemonSet, name: 'node-agent' },
    { kind: KINDS.deployment, name: 'sealift-controller' },
  ],
  values,
});
