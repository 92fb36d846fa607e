import { z } from 'zod';

import type { Cluster } from '../kube/cluster.ts';
import { KINDS, type KubeObject } from '../kube/kube-object.ts';

/** Whose pods to look at. */
export interface PodSelection {
  readonly namespace: string;
  readonly labelSelector: string;
}

const containerSchema = z.looseObject({
  name: z.string(),
  ready: z.boolean().default(false),
  restartCount: z.number().default(0),
  state: z
    .looseObject({
      waiting: z.looseObject({ reason: z.string().optional(), message: z.string().optional() }).optional(),
      terminated: z.looseObject({ reason: z.string().optional(), exitCode: z.number().optional() }).optional(),
    })
    .prefault({}),
});
const podSchema = z.looseObject({
  status: z
    .looseObject({
      phase: z.string().default('Unknown'),
      conditions: z
        .array(z.looseObject({ type: z.string(), status: z.string(), message: z.string().optional() }))
        .default([]),
      containerStatuses: z.array(containerSchema).default([]),
      initContainerStatuses: z.array(containerSchema).default([]),
    })
    .prefault({}),
});
const eventSchema = z.looseObject({
  reason: z.string().nullish(),
  message: z.string().nullish(),
  type: z.string().nullish(),
  lastTimestamp: z.string().nullish(),
  eventTime: z.string().nullish(),
});

type Container = z.infer<typeof containerSchema>;

const MAX_PODS = 3;
const MAX_EVENTS = 5;
const MAX_LINES = 80;
const LOG_LINES = 12;

/** Why pods don't run, for a person who reads it on a console: states, events and the last lines of their logs. */
export async function diagnosePods(cluster: Cluster, selection: PodSelection): Promise<string[]> {
  try {
    const pods = await cluster.list(KINDS.pod, selection);
    const unwell = pods.filter((pod) => !isReady(pod)).slice(0, MAX_PODS);
    const lines = pods.length === 0 ? [`no pod with ${selection.labelSelector} in ${selection.namespace}`] : [];
    if (unwell.length === 0) lines.push(...(await refusedPods(cluster, selection.namespace)));
    for (const pod of unwell) lines.push(...(await diagnosePod(cluster, pod)));
    return lines.slice(0, MAX_LINES);
  } catch {
    // The failure that is being explained may well be that the cluster can't be reached.
    return [];
  }
}

function isReady(pod: KubeObject): boolean {
  const { status } = podSchema.parse(pod);
  return status.conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True');
}

async function diagnosePod(cluster: Cluster, pod: KubeObject): Promise<string[]> {
  const { status } = podSchema.parse(pod);
  const { name, namespace = '' } = pod.metadata;
  const containers = [...status.initContainerStatuses, ...status.containerStatuses].filter(({ ready }) => !ready);
  const scheduling = status.conditions.find(({ type, status: value }) => type === 'PodScheduled' && value === 'False');
  return [
    `pod ${namespace}/${name}: ${status.phase}`,
    ...(scheduling?.message === undefined ? [] : [`  ${scheduling.message}`]),
    ...containers.map(describeContainer),
    ...(await lastEvents(cluster, pod)),
    ...(await lastLogLines(cluster, pod, containers)),
  ];
}

function describeContainer({ name, state, restartCount }: Container): string {
  const { waiting, terminated } = state;
  const ended =
    terminated === undefined ? 'not ready' : `ended with ${terminated.exitCode ?? '?'} ${terminated.reason ?? ''}`;
  const why = waiting === undefined ? ended : `${waiting.reason ?? 'waiting'} ${waiting.message ?? ''}`;
  return `  container ${name}: ${why.trim().slice(0, 500)}${restartCount > 0 ? `, restarted ${restartCount} times` : ''}`;
}

/** Why pods were not even made: admission, quotas. */
async function refusedPods(cluster: Cluster, namespace: string): Promise<string[]> {
  const events = await cluster.list(KINDS.event, { namespace, fieldSelector: 'reason=FailedCreate' });
  return newest(events)
    .slice(-MAX_EVENTS)
    .map(({ message }) => `  ${(message ?? '').slice(0, 1000)}`);
}

function newest(events: readonly KubeObject[]) {
  const time = (event: z.infer<typeof eventSchema>): string => event.lastTimestamp ?? event.eventTime ?? '';
  return events.map((event) => eventSchema.parse(event)).sort((a, b) => (time(a) < time(b) ? -1 : 1));
}

async function lastEvents(cluster: Cluster, pod: KubeObject): Promise<string[]> {
  const { name, namespace = '' } = pod.metadata;
  const events = await cluster.list(KINDS.event, { namespace, fieldSelector: `involvedObject.name=${name}` });
  return newest(events)
    .filter(({ type }) => type !== 'Normal')
    .slice(-MAX_EVENTS)
    .map(({ reason, message }) => `  event ${reason ?? ''}: ${(message ?? '').slice(0, 500)}`);
}

async function lastLogLines(cluster: Cluster, pod: KubeObject, containers: readonly Container[]): Promise<string[]> {
  const { name, namespace = '' } = pod.metadata;
  const lines: string[] = [];
  for (const container of containers.slice(0, 2)) {
    const query = { namespace, pod: name, container: container.name, tailLines: LOG_LINES };
    const now = await cluster.podLogs(query).catch(() => '');
    const before =
      now === '' && container.restartCount > 0
        ? await cluster.podLogs({ ...query, previous: true }).catch(() => '')
        : '';
    const text = (now === '' ? before : now).trim();
    if (text !== '')
      lines.push(`  last lines of ${container.name}:`, ...text.split('\n').map((line) => `    ${line.slice(0, 400)}`));
  }
  return lines;
}
