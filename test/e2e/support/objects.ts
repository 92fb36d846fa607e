import { kubectl, type LabState } from '../../../scripts/lab/lab.ts';
import type { RunResult } from '../../../scripts/lab/program.ts';
import { waitUntil } from '../../../scripts/lab/wait.ts';

/** What the API server said to a write. */
export interface Answer {
  readonly accepted: boolean;
  /** Its own words: warnings and refusals. */
  readonly words: string;
}

/** Asks the API server to create an object. A refusal is an answer, not an error. */
export async function create(lab: LabState, object: object, ...flags: string[]): Promise<Answer> {
  return answerOf(await kubectl(lab, ['create', '-f', '-', ...flags], { input: JSON.stringify(object), allow: [1] }));
}

/** What a run of kubectl means. */
export function answerOf({ code, stdout, stderr }: RunResult): Answer {
  return { accepted: code === 0, words: `${stdout}${stderr}`.trim() };
}

/** Creates or changes objects. */
export async function apply(lab: LabState, ...items: object[]): Promise<void> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  await kubectl(lab, ['apply', '--server-side', '--force-conflicts', '-f', '-'], { input });
}

/** A namespace that can take pods: the default service account is there. */
export async function ensureNamespace(lab: LabState, name: string): Promise<void> {
  await apply(lab, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
  await waitUntil(`the service account of namespace ${name}`, {
    timeoutMs: 30_000,
    probe: async () => (await field(lab, ['-n', name, 'serviceaccount', 'default'], '{.metadata.name}')) === 'default',
  });
}

/** A field of an object, by jsonpath; empty when either is absent. */
export async function field(lab: LabState, object: readonly string[], jsonpath: string): Promise<string> {
  const words = ['get', ...object, '-o', `jsonpath=${jsonpath}`, '--ignore-not-found', '--request-timeout=10s'];
  return (await kubectl(lab, words)).stdout.trim();
}

/** Takes objects away and waits until they are gone. */
export async function remove(lab: LabState, namespace: string, ...words: string[]): Promise<void> {
  await kubectl(lab, ['-n', namespace, 'delete', ...words, '--ignore-not-found', '--timeout=90s', '--now']);
}

/** Waits until a workload is rolled out as it is described now. */
export async function rolledOut(lab: LabState, namespace: string, workload: string): Promise<void> {
  await kubectl(lab, ['-n', namespace, 'rollout', 'status', workload, '--timeout=170s'], { timeoutMs: 180_000 });
}

/** Every object of the cluster as `kind namespace/name` to its resourceVersion, but for those that live on their own. */
export async function resourceVersions(lab: LabState): Promise<Map<string, string>> {
  const kinds = (await kubectl(lab, ['api-resources', '--verbs=list', '-o', 'name'])).stdout.trim().split('\n');
  // Leases are excepted by the claim; kubelets and agents write their nodes' status all the time; metrics and events
  // are not state.
  const own = new Set([
    'leases.coordination.k8s.io',
    'events',
    'events.events.k8s.io',
    'nodes',
    'csinodes.storage.k8s.io',
  ]);
  const wanted = kinds.filter((kind) => !own.has(kind) && !kind.endsWith('.metrics.k8s.io'));
  const query =
    '{range .items[*]}{.kind} {.metadata.namespace}/{.metadata.name} {.metadata.resourceVersion}{"\\n"}{end}';
  const { stdout } = await kubectl(lab, ['get', wanted.join(','), '-A', '-o', `jsonpath=${query}`]);
  const entries = stdout
    .trim()
    .split('\n')
    .map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), line.slice(at + 1)] as const;
    });
  return new Map(entries);
}

/** What differs between two states of the cluster, one line each. */
export function differences(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  const gone = [...before.keys()].filter((key) => !after.has(key)).map((key) => `gone: ${key}`);
  const changed = [...after].flatMap(([key, version]) => {
    if (!before.has(key)) return [`new: ${key}`];
    return before.get(key) === version ? [] : [`changed: ${key}`];
  });
  return [...gone, ...changed].sort();
}
