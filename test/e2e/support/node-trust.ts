import { z } from 'zod';

import { reportIn, type TrustReport } from '../../../daemonset/trust-condition.ts';
import { kubectl } from '../../../scripts/lab/lab.ts';
import type { NodeName } from '../../../scripts/lab/layout.ts';
import { waitUntil } from '../../../scripts/lab/wait.ts';
import { apply } from './objects.ts';
import type { World } from './world.ts';

const conditionSchema = z.object({ type: z.string(), status: z.string(), reason: z.string(), message: z.string() });
const nodeSchema = z.object({
  metadata: z.object({ resourceVersion: z.string() }),
  spec: z.object({ taints: z.array(z.object({ key: z.string() })).default([]) }),
  status: z.object({ conditions: z.array(conditionSchema), nodeInfo: z.object({ bootID: z.string() }) }),
});

/** The taint that keeps workloads from a node whose trust is not synced. */
export const TAINT = 'sealift.dev/trust-not-synced';

/** How a node stands, as the API server has it. */
export interface NodeStand {
  readonly resourceVersion: bigint;
  readonly bootId: string;
  readonly ready: boolean;
  readonly tainted: boolean;
  readonly report: TrustReport | undefined;
  /** Synced for the boot that it is in. */
  readonly synced: boolean;
}

/** Reads a node object. */
export function nodeStand(object: unknown): NodeStand {
  const { metadata, spec, status } = nodeSchema.parse(object);
  const condition = status.conditions.find(({ type }) => type === 'TrustSynced');
  const report = condition === undefined ? undefined : reportIn(condition);
  return {
    resourceVersion: BigInt(metadata.resourceVersion),
    bootId: status.nodeInfo.bootID,
    ready: status.conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True'),
    tainted: spec.taints.some(({ key }) => key === TAINT),
    report,
    synced: report?.synced === true && report.bootId === status.nodeInfo.bootID,
  };
}

/** How a node stands now. */
export async function lookAtNode({ lab }: World, node: NodeName): Promise<NodeStand> {
  return nodeStand(JSON.parse((await kubectl(lab, ['get', 'node', node, '-o', 'json'])).stdout));
}

/** The number of the generation that a node says it uses; 0 for none. */
export function generationOf({ report }: NodeStand): number {
  return report?.generation?.number ?? 0;
}

/** Waits until a node's stand is as wanted. @returns that stand. */
export async function nodeToBe(
  world: World,
  node: NodeName,
  wanted: { readonly what: string; readonly timeoutMs: number; readonly is: (stand: NodeStand) => boolean },
): Promise<NodeStand> {
  let stand: NodeStand | undefined;
  await waitUntil(`${node} to be ${wanted.what}`, {
    timeoutMs: wanted.timeoutMs,
    probe: async () => {
      stand = await lookAtNode(world, node);
      return wanted.is(stand);
    },
  }).catch((error: unknown) => {
    throw new Error(`${String(error)}; it says ${JSON.stringify(stand?.report)}`);
  });
  if (stand === undefined) throw new Error(`${node} was never looked at`);
  return stand;
}

/** Asks the controller to look at the site's registry now, instead of at its next turn. */
export async function requestScan({ lab }: World): Promise<void> {
  const metadata = { name: 'sealift-scan-request', namespace: 'sealift-system' };
  await apply(lab, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { asked: new Date().toISOString() } });
}
