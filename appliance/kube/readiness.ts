import { z } from 'zod';

import type { KubeObject } from './kube-object.ts';

/** Whether an object does what it is there for; `failed` when waiting longer can't help. */
export interface Readiness {
  readonly state: 'ready' | 'waiting' | 'failed';
  /** What is missing, in one line. */
  readonly message: string;
}

const count = z.number().default(0);
const conditions = z
  .array(
    z.looseObject({
      type: z.string(),
      status: z.string(),
      reason: z.string().optional(),
      message: z.string().optional(),
    }),
  )
  .default([]);
const spec = z.looseObject({ replicas: z.number().default(1) }).default({ replicas: 1 });
const workload = z.looseObject({
  spec,
  status: z
    .looseObject({
      observedGeneration: count,
      replicas: count,
      updatedReplicas: count,
      readyReplicas: count,
      availableReplicas: count,
      desiredNumberScheduled: count,
      updatedNumberScheduled: count,
      numberAvailable: count,
      succeeded: count,
      phase: z.string().default(''),
      conditions,
    })
    .prefault({}),
});

type Workload = z.infer<typeof workload>;

const READY: Readiness = { state: 'ready', message: 'ready' };
const waiting = (message: string): Readiness => ({ state: 'waiting', message });
const failed = (message: string): Readiness => ({ state: 'failed', message });

function condition(status: Workload['status'], type: string): { isTrue: boolean; message: string } {
  const found = status.conditions.find((candidate) => candidate.type === type);
  return { isTrue: found?.status === 'True', message: found?.message ?? found?.reason ?? `no condition ${type}` };
}

function deployment({ spec: { replicas }, status }: Workload): Readiness {
  const stuck = status.conditions.find(
    ({ type, reason }) => type === 'Progressing' && reason === 'ProgressDeadlineExceeded',
  );
  if (stuck !== undefined) return failed(stuck.message ?? 'no progress');
  const refused = condition(status, 'ReplicaFailure');
  if (refused.isTrue) return waiting(refused.message);
  if (status.updatedReplicas < replicas) return waiting(`${status.updatedReplicas} of ${replicas} pods are new`);
  if (status.replicas > status.updatedReplicas) return waiting('old pods are still there');
  if (status.availableReplicas < replicas)
    return waiting(`${status.availableReplicas} of ${replicas} pods are available`);
  return READY;
}

function statefulSet({ spec: { replicas }, status }: Workload): Readiness {
  if (status.readyReplicas < replicas) return waiting(`${status.readyReplicas} of ${replicas} pods are ready`);
  if (status.updatedReplicas < replicas) return waiting(`${status.updatedReplicas} of ${replicas} pods are new`);
  return READY;
}

function daemonSet({ status }: Workload): Readiness {
  const { desiredNumberScheduled: wanted, updatedNumberScheduled: updated, numberAvailable: available } = status;
  if (wanted === 0) return waiting('no node takes its pods');
  if (updated < wanted) return waiting(`${updated} of ${wanted} nodes have the new pod`);
  return available < wanted ? waiting(`${available} of ${wanted} pods are available`) : READY;
}

function job({ status }: Workload): Readiness {
  if (condition(status, 'Complete').isTrue) return READY;
  const failure = condition(status, 'Failed');
  return failure.isTrue ? failed(failure.message) : waiting('not complete');
}

function pod({ status }: Workload): Readiness {
  if (status.phase === 'Succeeded') return READY;
  if (status.phase === 'Failed') return failed('the pod failed');
  const ready = condition(status, 'Ready');
  return ready.isTrue ? READY : waiting(`${status.phase}: ${ready.message}`);
}

function byCondition(type: string): (object: Workload) => Readiness {
  return ({ status }) => {
    const found = condition(status, type);
    return found.isTrue ? READY : waiting(found.message);
  };
}

function byPhase(phase: string): (object: Workload) => Readiness {
  return ({ status }) => (status.phase === phase ? READY : waiting(`phase ${status.phase}`));
}

const RULES: Readonly<Record<string, (object: Workload) => Readiness>> = {
  Deployment: deployment,
  StatefulSet: statefulSet,
  DaemonSet: daemonSet,
  Job: job,
  Pod: pod,
  CustomResourceDefinition: byCondition('Established'),
  PersistentVolumeClaim: byPhase('Bound'),
  Namespace: byPhase('Active'),
};

/** Judges an object by its status. Kinds without a rule are ready once they are there. */
export function readinessOf(object: KubeObject): Readiness {
  const rule = RULES[object.kind];
  if (rule === undefined) return READY;
  const parsed = workload.safeParse(object);
  if (!parsed.success) return waiting('its status is not there yet');
  const observes = ['Deployment', 'StatefulSet', 'DaemonSet'].includes(object.kind);
  if (observes && parsed.data.status.observedGeneration < (object.metadata.generation ?? 0)) {
    return waiting('not seen by its controller yet');
  }
  return rule(parsed.data);
}
