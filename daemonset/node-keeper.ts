import { describeError } from '../appliance/kernel/coded-error.ts';
import type { Log } from '../appliance/kernel/log.ts';
import { repeat, type Wait } from '../appliance/kernel/repeat.ts';
import type { Cluster } from '../appliance/kube/cluster.ts';
import { isKubeError } from '../appliance/kube/kube-error.ts';
import { KINDS, type KubeObject } from '../appliance/kube/kube-object.ts';
import { nodeView } from './node-object.ts';
import { lackOf, taintPatch } from './node-taint.ts';

/** What the keeper of the nodes works with. */
export interface NodeKeeperOptions {
  readonly cluster: Cluster;
  readonly log: Log;
  readonly wait?: Wait;
}

/** How often every node is looked at again, for changes whose patch failed. */
const LOOK_EVERY_MS = 15_000;

/**
 * Keeps the taint of every node in line with its conditions until the signal aborts: at once after each change of a
 * node, and all of them regularly. @throws KubeError when nodes may not be watched.
 */
export async function keepNodes(options: NodeKeeperOptions, signal: AbortSignal): Promise<void> {
  const { cluster, log, wait } = options;
  const pace = { everyMs: LOOK_EVERY_MS, ...(wait === undefined ? {} : { wait }) };
  const watching = cluster.watch(KINDS.node, {
    signal,
    onEvent: async (event) => {
      if (event.type === 'added' || event.type === 'modified') await keepNode(options, event.object);
    },
  });
  const again = repeat(
    async () => {
      try {
        await keepAllNodes(options);
      } catch (error) {
        log.warn('the nodes could not be listed', { error: describeError(error) });
      }
    },
    pace,
    signal,
  );
  await Promise.all([watching, again]);
}

/** Looks at every node once. */
export async function keepAllNodes(options: NodeKeeperOptions): Promise<void> {
  for (const node of await options.cluster.list(KINDS.node)) await keepNode(options, node);
}

/** Taints or untaints one node as its conditions ask. A change in the meantime brings an event of its own. */
async function keepNode({ cluster, log }: NodeKeeperOptions, object: KubeObject): Promise<void> {
  const node = nodeView(object);
  if (node === undefined) return;
  const patch = taintPatch(node);
  if (patch === undefined) return;
  const lack = lackOf(node);
  try {
    await cluster.patch({ kind: KINDS.node, name: node.name }, patch);
    log.info(lack === undefined ? 'untainted a node' : 'tainted a node', { node: node.name, why: lack ?? 'synced' });
  } catch (error) {
    if (isKubeError(error, 'CONFLICT', 'NOT_FOUND')) return;
    log.warn("a node's taint could not be changed", { node: node.name, error: describeError(error) });
  }
}
