import type { KubeObject } from '../../appliance/kube/kube-object.ts';
import { conditionOf, type TrustReport } from '../../daemonset/trust-condition.ts';

/** Two boots of one machine. */
export const BOOT_1 = '11111111-1111-4111-8111-111111111111';
export const BOOT_2 = '22222222-2222-4222-8222-222222222222';

/** What a node in a test is like. */
export interface NodeSetup {
  readonly name?: string;
  readonly ready?: 'True' | 'False' | 'Unknown';
  readonly bootId?: string;
  readonly report?: Partial<TrustReport>;
  readonly taints?: readonly { key: string; effect: string; value?: string }[];
  readonly runtime?: string;
}

/** A Node object as kubelet and agent would have it. */
export function nodeObject(setup: NodeSetup = {}): KubeObject {
  const {
    name = 'node-1',
    ready = 'True',
    bootId = BOOT_1,
    report,
    taints,
    runtime = 'containerd://1.6.20~ds1',
  } = setup;
  const trust =
    report === undefined
      ? []
      : [conditionOf({ synced: true, reason: 'Synced', bootId, ...report }, new Date('2026-01-01T00:00:00Z'))];
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    spec: taints === undefined ? {} : { taints },
    status: {
      conditions: [{ type: 'Ready', status: ready }, ...trust],
      nodeInfo: { bootID: bootId, containerRuntimeVersion: runtime },
    },
  };
}
