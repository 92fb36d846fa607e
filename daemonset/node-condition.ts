import type { Clock } from '../appliance/kernel/clock.ts';
import type { Cluster } from '../appliance/kube/cluster.ts';
import { KINDS } from '../appliance/kube/kube-object.ts';
import { DaemonsetError } from './daemonset-error.ts';
import { type NodeView, nodeView } from './node-object.ts';
import { conditionOf, type TrustReport } from './trust-condition.ts';

/** The node that an agent runs on, as the API server has it. */
export interface OwnNode {
  readonly cluster: Cluster;
  readonly name: string;
  readonly clock: Clock;
}

/** A condition that says the same is written again after this long, as a sign of life. */
const HEARTBEAT_MS = 300_000;
/** The node is read again after this long even when nothing is to be said: someone may have changed the condition. */
const LOOK_EVERY_MS = 20_000;

/** Keeps the `TrustSynced` condition of one node as its agent reports. */
export class NodeConditionWriter {
  readonly #node: OwnNode;
  #view: NodeView | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #written: string | undefined;

  constructor(node: OwnNode) {
    this.#node = node;
  }

  /** The node as it was read last. */
  get view(): NodeView | undefined {
    return this.#view;
  }

  /** Reads the node. @throws DaemonsetError `NODE_UNKNOWN`, KubeError. */
  async look(): Promise<NodeView> {
    const { cluster, name, clock } = this.#node;
    const view = nodeView(await cluster.get({ kind: KINDS.node, name }));
    if (view === undefined) throw new DaemonsetError('NODE_UNKNOWN', `the cluster has no node ${name}`);
    this.#view = view;
    this.#lookedAt = clock.now().getTime();
    return view;
  }

  /**
   * Makes the node's condition say `report`; writes when it says something else, or said it long ago.
   * @returns true when it was written. @throws DaemonsetError `NODE_UNKNOWN`, KubeError.
   */
  async report(report: TrustReport): Promise<boolean> {
    const { cluster, name, clock } = this.#node;
    const said = JSON.stringify(report);
    const now = clock.now();
    if (said === this.#written && now.getTime() - this.#lookedAt < LOOK_EVERY_MS) return false;
    const before = (await this.look()).trust?.condition;
    const condition = conditionOf(report, now, before);
    const isSame = (['status', 'reason', 'message'] as const).every((field) => before?.[field] === condition[field]);
    const age = now.getTime() - Date.parse(before?.lastHeartbeatTime ?? '');
    this.#written = said;
    if (isSame && age < HEARTBEAT_MS) return false;
    this.#written = undefined;
    // Conditions merge by type: the others, kubelet's own, stay as they are.
    const body = { status: { conditions: [condition] } };
    await cluster.patch({ kind: KINDS.node, name }, { type: 'strategic', subresource: 'status', body });
    this.#written = said;
    return true;
  }
}
