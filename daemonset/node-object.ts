import { z } from 'zod';

import { isBootId, type NodeCondition, reportIn, TRUST_SYNCED, type TrustReport } from './trust-condition.ts';

const conditionSchema = z.object({
  type: z.string(),
  status: z.string(),
  reason: z.string().default(''),
  message: z.string().default(''),
  lastHeartbeatTime: z
    .string()
    .nullish()
    .transform((text) => text ?? ''),
  lastTransitionTime: z
    .string()
    .nullish()
    .transform((text) => text ?? ''),
});
const taintSchema = z.looseObject({ key: z.string(), effect: z.string(), value: z.string().optional() });
const nodeSchema = z.object({
  metadata: z.object({ name: z.string(), resourceVersion: z.string().optional() }),
  spec: z.object({ taints: z.array(taintSchema).nullish() }).nullish(),
  status: z
    .object({
      conditions: z.array(conditionSchema).nullish(),
      nodeInfo: z.object({ bootID: z.string(), containerRuntimeVersion: z.string().default('') }).nullish(),
    })
    .nullish(),
});

/** A taint of a node. */
export type Taint = z.infer<typeof taintSchema>;

/** What Sealift reads of a Node. */
export interface NodeView {
  readonly name: string;
  readonly resourceVersion: string | undefined;
  readonly taints: readonly Taint[];
  readonly isReady: boolean;
  /** The boot id that kubelet reported; `undefined` before its first report. */
  readonly bootId: string | undefined;
  readonly containerRuntimeVersion: string;
  /** The agent's condition, and what it says. */
  readonly trust: { readonly condition: NodeCondition; readonly report: TrustReport | undefined } | undefined;
}

/** Reads a Node object; `undefined` when it is none. */
export function nodeView(object: unknown): NodeView | undefined {
  const parsed = nodeSchema.safeParse(object);
  if (!parsed.success) return undefined;
  const { metadata, spec, status } = parsed.data;
  return {
    name: metadata.name,
    resourceVersion: metadata.resourceVersion,
    taints: spec?.taints ?? [],
    ...statusView(status ?? {}),
  };
}

function statusView({ conditions, nodeInfo }: NonNullable<z.infer<typeof nodeSchema>['status']>) {
  const known = conditions ?? [];
  return {
    isReady: known.some(({ type, status }) => type === 'Ready' && status === 'True'),
    bootId: bootIdIn(nodeInfo?.bootID ?? ''),
    containerRuntimeVersion: nodeInfo?.containerRuntimeVersion ?? '',
    trust: trustIn(known),
  };
}

function bootIdIn(text: string): string | undefined {
  const bootId = text.trim().toLowerCase();
  return isBootId(bootId) ? bootId : undefined;
}

function trustIn(conditions: readonly NodeCondition[]): NodeView['trust'] {
  const condition = conditions.find(({ type }) => type === TRUST_SYNCED);
  return condition === undefined ? undefined : { condition, report: reportIn(condition) };
}
