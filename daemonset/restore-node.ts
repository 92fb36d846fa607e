import type { Cluster } from '../appliance/kube/cluster.ts';
import { isKubeError } from '../appliance/kube/kube-error.ts';
import { KINDS } from '../appliance/kube/kube-object.ts';
import { type HostsFolders, restoreHosts } from './containerd-hosts.ts';
import { TRUST_SYNCED } from './trust-condition.ts';

/** The node that is put back. */
export interface RestoredNode {
  readonly cluster: Cluster;
  readonly name: string;
  /** Left out where Sealift wrote no hosts.toml. */
  readonly folders?: HostsFolders;
}

/**
 * Puts a node back as it was before Sealift: hosts.toml as they were, the `TrustSynced` condition taken away. Trust and
 * keys below /var/lib/sealift stay for a later install. The controller must be gone before: it would taint the node.
 * @returns hosts.toml files that someone changed since and that were left as they are.
 */
export async function restoreNode({ cluster, name, folders }: RestoredNode): Promise<string[]> {
  const left = folders === undefined ? [] : await restoreHosts(folders);
  for (let tries = 0; tries < 5; tries += 1) if (await withoutCondition(cluster, name)) break;
  return left;
}

/** True when the node has no condition of ours any more; false when the list changed in between. */
async function withoutCondition(cluster: Cluster, name: string): Promise<boolean> {
  const ref = { kind: KINDS.node, name };
  const status = (await cluster.get(ref))?.status as { conditions?: readonly { type?: unknown }[] } | undefined;
  const index = status?.conditions?.findIndex(({ type }) => type === TRUST_SYNCED) ?? -1;
  if (index === -1) return true;
  const path = `/status/conditions/${index}`;
  try {
    await cluster.patch(ref, {
      type: 'json',
      subresource: 'status',
      operations: [
        { op: 'test', path: `${path}/type`, value: TRUST_SYNCED },
        { op: 'remove', path },
      ],
    });
    return true;
  } catch (error) {
    if (isKubeError(error, 'CONFLICT', 'INVALID')) return false;
    throw error;
  }
}
