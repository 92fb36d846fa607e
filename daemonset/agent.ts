import type { Clock } from '../appliance/kernel/clock.ts';
import { describeError } from '../appliance/kernel/coded-error.ts';
import type { Log } from '../appliance/kernel/log.ts';
import { repeat, type Wait } from '../appliance/kernel/repeat.ts';
import type { NodePaths } from '../trust-root/generation.ts';
import { featuresOf, versionFromNodeInfo } from './containerd.ts';
import type { MirrorHosts } from './mirror-hosts.ts';
import type { NodeConditionWriter } from './node-condition.ts';
import type { NodeTrust, TrustState } from './node-trust.ts';
import { ensurePinnedRoot, type RootSource } from './pinned-root.ts';
import type { TrustReport } from './trust-condition.ts';

/** The parts that an agent drives. */
export interface AgentParts {
  readonly paths: NodePaths;
  readonly root: RootSource;
  readonly bootId: string;
  readonly trust: NodeTrust;
  /** Left out where nodes find the registry in another way. */
  readonly hosts?: MirrorHosts;
  readonly condition: NodeConditionWriter;
  readonly clock: Clock;
  readonly log: Log;
}

/** How an agent is doing, for probes and metrics. */
export interface AgentStatus {
  readonly report: TrustReport;
  /** When the last step ended. */
  readonly steppedAt: Date;
  /** Whether the API server has the report. */
  readonly isTold: boolean;
}

/**
 * The agent of one node: looks at disk, repository and certs.d, puts right what differs, and says how the node stands in
 * its `TrustSynced` condition. Nothing that fails in a step ends the agent.
 */
export class Agent {
  readonly #parts: AgentParts;
  #status: AgentStatus | undefined;
  #complaint = '';

  constructor(parts: AgentParts) {
    this.#parts = parts;
  }

  /** How it went the last time; `undefined` before the first step has ended. */
  get status(): AgentStatus | undefined {
    return this.#status;
  }

  /** Verifies what is on disk and says so, before anything is asked of the site but, on a new node, its root. */
  async start(): Promise<void> {
    await this.#conclude(await this.#rooted(async () => await this.#parts.trust.verifyDisk()));
  }

  /** One turn: follow, put right, report. */
  async step(): Promise<void> {
    await this.#conclude(await this.#rooted(async () => await this.#parts.trust.follow()));
  }

  /** Without the site's root nothing can be verified; it is looked for at each turn. */
  async #rooted(look: () => Promise<TrustState>): Promise<TrustState> {
    try {
      await ensurePinnedRoot(this.#parts.paths, this.#parts.root);
    } catch (error) {
      return { reason: 'NoGeneration', detail: describeError(error) };
    }
    return await look();
  }

  async #conclude(state: TrustState): Promise<void> {
    const { clock } = this.#parts;
    const report = this.#reportOf(state, await this.#keepHosts());
    const isTold = await this.#tell(report);
    this.#status = { report, steppedAt: clock.now(), isTold };
  }

  /** What went wrong, if anything. */
  async #keepHosts(): Promise<string | undefined> {
    const { hosts, trust, condition } = this.#parts;
    if (hosts === undefined) return undefined;
    try {
      const runtime = (condition.view ?? (await condition.look().catch(() => undefined)))?.containerRuntimeVersion;
      await hosts.keep(trust.index, featuresOf(versionFromNodeInfo(runtime ?? '')));
      return undefined;
    } catch (error) {
      return describeError(error);
    }
  }

  #reportOf({ reason, generation, detail }: TrustState, hostsFault: string | undefined): TrustReport {
    const said = [detail, hostsFault].filter((text) => text !== undefined).join('; ');
    const common = {
      bootId: this.#parts.bootId,
      ...(generation === undefined ? {} : { generation: { number: generation.number, signedAt: generation.signedAt } }),
      ...(said === '' ? {} : { detail: said }),
    };
    if (generation === undefined) return { synced: false, reason: 'NoGeneration', ...common };
    if (hostsFault !== undefined) return { synced: false, reason: 'HostsFailed', ...common };
    return { synced: true, reason, ...common };
  }

  async #tell(report: TrustReport): Promise<boolean> {
    const { condition, log } = this.#parts;
    try {
      const written = await condition.report(report);
      if (written) log.info('the node says', { synced: report.synced, reason: report.reason, detail: report.detail });
      this.#complaint = '';
      return true;
    } catch (error) {
      const complaint = describeError(error);
      if (complaint !== this.#complaint) log.warn('the API server could not be told', { error: complaint });
      this.#complaint = complaint;
      return false;
    }
  }
}

/** Starts an agent and lets it take a step every `everyMs` milliseconds until the signal aborts. */
export async function runAgent(
  agent: Agent,
  pace: { readonly everyMs: number; readonly wait?: Wait },
  signal: AbortSignal,
): Promise<void> {
  await agent.start();
  await agent.step();
  await repeat(async () => await agent.step(), pace, signal);
}
