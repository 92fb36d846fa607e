import type { Patch } from '../appliance/kube/cluster.ts';
import type { NodeView, Taint } from './node-object.ts';

/**
 * The taint of a node whose trust is not known to be good for its current boot. `NoSchedule`: what runs there goes on,
 * and what tolerates it (Sealift's agents tolerate everything) can start. Kubelets can register with it:
 * `--register-with-taints=sealift.dev/trust-not-synced=pending:NoSchedule`.
 */
export const TRUST_TAINT: Taint = { key: 'sealift.dev/trust-not-synced', value: 'pending', effect: 'NoSchedule' };

/** What a node lacks to be scheduled on; `undefined` when nothing. */
export type Lack = 'not Ready' | 'no boot id' | 'no TrustSynced condition' | 'not synced' | 'synced for another boot';

/** Why `node` must bear the taint; `undefined` when it must not. */
export function lackOf(node: NodeView): Lack | undefined {
  const { trust, bootId } = node;
  if (!node.isReady) return 'not Ready';
  if (bootId === undefined) return 'no boot id';
  if (trust?.report === undefined) return 'no TrustSynced condition';
  if (!trust.report.synced) return 'not synced';
  return trust.report.bootId === bootId ? undefined : 'synced for another boot';
}

/**
 * The change that `node` needs, if any. It is conditional on the version that was looked at: taints are one list, and
 * another controller's change must not get lost.
 */
export function taintPatch(node: NodeView): Patch | undefined {
  const wanted = lackOf(node) !== undefined;
  const others = node.taints.filter(({ key }) => key !== TRUST_TAINT.key);
  const ours = node.taints.filter(({ key }) => key === TRUST_TAINT.key);
  const fits = wanted ? ours.some(({ effect }) => effect === TRUST_TAINT.effect) : ours.length === 0;
  if (fits) return undefined;
  const { resourceVersion } = node;
  const taints = wanted ? [...others, ...ours, TRUST_TAINT] : others;
  return {
    type: 'merge',
    body: {
      ...(resourceVersion === undefined ? {} : { metadata: { resourceVersion } }),
      spec: { taints },
    },
  };
}
