import { killCgroup } from './cgroups.ts';
import { type Daemon, daemonPid, placeCgroup, startDaemon } from './daemon.ts';
import { EDGE_LIST_ARGV, type EdgeCount, parseEdgeCount } from './edge.ts';
import { LabError } from './lab-error.ts';
import type { LabState } from './lab-state.ts';
import { enterArgv, labLayout, type NodeName, type Place, SITE_PLACES } from './layout.ts';
import { bootNode, cutPower, isNodeRunning, nodeDaemon, startContainerd, startKubelet } from './node.ts';
import { type RunOptions, type RunResult, run } from './program.ts';
import { waitUntil } from './wait.ts';

export { describeConnectedSide, type LabNode, type LabState, loadLab } from './lab-state.ts';
export type { NodeName, Place } from './layout.ts';

/** The words to put before a program's own so that it runs at `where` in the lab; for spawning it yourself. */
export function enterLab(lab: LabState, where: Place): string[] {
  return enterArgv(labLayout(lab.name), where);
}

/** A program to run in the lab: its words, or its words and how to run it. */
export type LabProgram = readonly string[] | ({ readonly argv: readonly string[] } & RunOptions);

/**
 * Runs a program inside the lab: at the operator's host, on the connected side, or on a node (in its network and its
 * mounts).
 * @throws LabError `PROGRAM_FAILED` as {@link run} does.
 */
export async function runIn(lab: LabState, where: Place, program: LabProgram): Promise<RunResult> {
  const { argv, ...options } = 'argv' in program ? program : { argv: program };
  return await run([...enterLab(lab, where), ...argv], options);
}

/** Runs kubectl as the cluster's administrator, at the operator's host. */
export async function kubectl(lab: LabState, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const program = lab.binaries['kubectl'] ?? 'kubectl';
  return await runIn(lab, 'operator', { ...options, argv: [program, `--kubeconfig=${lab.kubeconfig}`, ...args] });
}

/** A node's boot id, as its programs see it. */
export async function bootId(lab: LabState, node: NodeName): Promise<string> {
  return (await runIn(lab, node, ['cat', '/proc/sys/kernel/random/boot_id'])).stdout.trim();
}

/**
 * A power cut on one node: all its processes and what it had in memory are gone at once. The API server notices in its
 * own time. Its disk (images, kubelet's state, /var/lib/sealift) stays for {@link startNode}.
 */
export async function killNode(lab: LabState, node: NodeName): Promise<void> {
  await cutPower(labLayout(lab.name), node);
}

/** Boots a node that {@link killNode} took down, under a new boot id; returns when its programs are started. */
export async function startNode(lab: LabState, node: NodeName): Promise<void> {
  const layout = labLayout(lab.name);
  if (await isNodeRunning(layout, node)) return;
  await bootNode(layout, node);
  await startKubelet(layout, node, new Map(Object.entries(lab.binaries)));
}

/** Restarts a node's containerd alone, as `systemctl restart containerd` would: pods go on running. */
export async function restartContainerd(lab: LabState, node: NodeName): Promise<void> {
  const layout = labLayout(lab.name);
  const name = nodeDaemon(node, 'containerd');
  const pid = await daemonPid(layout, name, node);
  if (pid !== undefined) {
    process.kill(pid, 'SIGTERM');
    const gone = async () => (await daemonPid(layout, name, node)) === undefined;
    await waitUntil(`containerd of ${node} to stop`, { timeoutMs: 20_000, everyMs: 100, probe: gone });
  }
  await startContainerd(layout, node);
}

/** Waits until the API server calls a node Ready under its current boot id. */
export async function waitForNode(lab: LabState, node: NodeName, timeoutMs = 120_000): Promise<void> {
  const wanted = await bootId(lab, node);
  const query = '{.status.nodeInfo.bootID} {.status.conditions[?(@.type=="Ready")].status}';
  await waitUntil(`${node} to be Ready`, {
    timeoutMs,
    probe: async () => {
      const { stdout } = await kubectl(lab, ['get', 'node', node, '-o', `jsonpath=${query}`, '--request-timeout=5s']);
      return stdout.trim() === `${wanted} True`;
    },
  });
}

/** What left the lab's site for addresses outside the cluster, in all its namespaces, since it came up. */
export interface OutsidePackets {
  readonly packets: number;
  readonly byPlace: Readonly<Record<string, EdgeCount>>;
}

/** Counts the packets that were sent or forwarded to an address outside the cluster, at the edge of each namespace. */
export async function outsidePackets(lab: LabState): Promise<OutsidePackets> {
  const counted: [string, EdgeCount][] = [];
  for (const place of SITE_PLACES) {
    const { stdout } = await runIn(lab, place, EDGE_LIST_ARGV);
    try {
      counted.push([place, parseEdgeCount(stdout)]);
    } catch (cause) {
      throw new LabError('PROGRAM_FAILED', `the edge counter of ${place} can't be read`, {
        cause,
      });
    }
  }
  const packets = counted.reduce((sum, [, count]) => sum + count.packets, 0);
  return { packets, byPlace: Object.fromEntries(counted) };
}

/** Sends one packet from `where` to an address outside the cluster, to show that it is counted and gets nowhere. */
export async function sendOutside(lab: LabState, where: (typeof SITE_PLACES)[number], address = '192.0.2.1') {
  await runIn(lab, where, ['bash', '-c', `echo > /dev/udp/${address}/9`]);
}

/**
 * Starts a program that stays until its lab goes down (or {@link stopPlace}), apart from this process.
 * Its output goes to `<lab.dir>/log/<name>.log`.
 * @returns its process id.
 */
export async function startIn(lab: LabState, where: Place, program: Omit<Daemon, 'place'>): Promise<number> {
  return await startDaemon(labLayout(lab.name), { ...program, place: where });
}

/** Ends every process that {@link startIn} started at the operator's host or on the connected side. */
export async function stopPlace(lab: LabState, where: 'operator' | 'connected'): Promise<void> {
  await killCgroup(placeCgroup(labLayout(lab.name), where));
}
