import { z } from 'zod';

import type { Cluster } from '../kube/cluster.ts';
import { KINDS, type KubeObject, type ObjectRef, refOf } from '../kube/kube-object.ts';

const deploymentSchema = z.looseObject({
  status: z
    .looseObject({
      conditions: z
        .array(z.looseObject({ type: z.string(), status: z.string(), reason: z.string().default('') }))
        .default([]),
    })
    .prefault({}),
});
const replicaSetSchema = z.looseObject({
  metadata: z.looseObject({ ownerReferences: z.array(z.looseObject({ uid: z.string() })).default([]) }),
  spec: z.looseObject({ replicas: z.number().default(0) }).prefault({}),
  status: z.looseObject({ replicas: z.number().default(0) }).prefault({}),
});

function isStuck(deployment: KubeObject): boolean {
  const { conditions } = deploymentSchema.parse(deployment).status;
  return conditions.some(
    ({ type, status, reason }) =>
      (type === 'ReplicaFailure' && status === 'True') ||
      (type === 'Progressing' && reason === 'ProgressDeadlineExceeded'),
  );
}

/**
 * Gives a Deployment whose pods were refused a fresh start: the controller's pauses between attempts grow to a quarter of
 * an hour, long after the reason is gone. A ReplicaSet that wants pods and has none is removed; its Deployment makes
 * another at once. Nothing that runs is touched.
 */
export async function unstick(cluster: Cluster, ref: ObjectRef): Promise<void> {
  if (ref.kind.kind !== 'Deployment' || ref.namespace === undefined) return;
  const deployment = await cluster.get(ref);
  if (deployment === undefined || !isStuck(deployment)) return;
  for (const replicaSet of await cluster.list(KINDS.replicaSet, { namespace: ref.namespace })) {
    const { metadata, spec, status } = replicaSetSchema.parse(replicaSet);
    const isOwned = metadata.ownerReferences.some(({ uid }) => uid === deployment.metadata.uid);
    const { resourceVersion } = replicaSet.metadata;
    if (!isOwned || spec.replicas === 0 || status.replicas > 0 || resourceVersion === undefined) continue;
    await cluster.delete(refOf(replicaSet), { resourceVersion });
  }
}

const podSchema = z.looseObject({
  status: z
    .looseObject({
      containerStatuses: z
        .array(
          z.looseObject({
            state: z
              .looseObject({ waiting: z.looseObject({ reason: z.string().default('') }).optional() })
              .prefault({}),
          }),
        )
        .default([]),
    })
    .prefault({}),
});
const PAUSED = new Set(['ImagePullBackOff', 'ErrImagePull', 'CrashLoopBackOff']);

/** Makes pods anew that only wait for their next attempt; kubelet's pauses grow to five minutes. */
export async function unstickPods(
  cluster: Cluster,
  selection: { namespace: string; labelSelector: string },
): Promise<void> {
  for (const pod of await cluster.list(KINDS.pod, selection)) {
    const { containerStatuses } = podSchema.parse(pod).status;
    const isPaused = containerStatuses.some(({ state }) => PAUSED.has(state.waiting?.reason ?? ''));
    const { uid } = pod.metadata;
    if (isPaused && uid !== undefined) await cluster.delete(refOf(pod), { uid });
  }
}
