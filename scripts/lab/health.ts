import { stat } from 'node:fs/promises';
import { CONTROL_PLANE_DAEMONS } from './control-plane.ts';
import { daemonEnded, daemonPid } from './daemon.ts';
import { kubectl } from './lab.ts';
import { type LabState, loadLab } from './lab-state.ts';
import { type LabLayout, NODE_NAMES, type Place } from './layout.ts';
import { NODE_PROGRAMS, nodeDaemon } from './node.ts';

/** One program that a lab ought to run. */
export interface DaemonHealth {
  readonly name: string;
  readonly place: Place;
  /** Nothing when it doesn't run. */
  readonly pid: number | undefined;
}

/** Which of a lab's programs run. */
export async function daemonHealth(layout: LabLayout): Promise<DaemonHealth[]> {
  const wanted: { name: string; place: Place }[] = [
    ...CONTROL_PLANE_DAEMONS.map((name) => ({ name, place: 'control-plane' as const })),
    ...NODE_NAMES.flatMap((node) => NODE_PROGRAMS.map((program) => ({ name: nodeDaemon(node, program), place: node }))),
  ];
  return await Promise.all(
    wanted.map(async ({ name, place }) => ({ name, place, pid: await daemonPid(layout, name, place) })),
  );
}

/** Which of a lab's programs has ended, with its last words; nothing while all run. */
export async function endedDaemon(layout: LabLayout): Promise<string | undefined> {
  const ended = (await daemonHealth(layout)).find(({ pid }) => pid === undefined);
  return ended === undefined ? undefined : await daemonEnded(layout, ended.name, ended.place);
}

/** Whether the lab came up whole, all its programs still run, and both nodes are Ready. */
export async function isLabHealthy(layout: LabLayout): Promise<boolean> {
  const finished = await stat(layout.stateFile).catch(() => undefined);
  if (finished === undefined) return false;
  if ((await daemonHealth(layout)).some(({ pid }) => pid === undefined)) return false;
  return (await readyNodes(await loadLab(layout.name))).length === NODE_NAMES.length;
}

/** The names of the nodes that the API server calls Ready; none when it doesn't answer. */
export async function readyNodes(lab: LabState): Promise<string[]> {
  const query = '{range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}';
  const words = ['get', 'nodes', '-o', `jsonpath=${query}`, '--request-timeout=5s'];
  const { stdout } = await kubectl(lab, words, { allow: 'any', timeoutMs: 10_000 });
  return stdout
    .split('\n')
    .filter((line) => line.endsWith(' True'))
    .map((line) => line.split(' ')[0] ?? '');
}
