import { randomBytes } from 'node:crypto';

import { describeError } from '../kernel/coded-error.ts';
import type { Cluster } from '../kube/cluster.ts';
import { isKubeError } from '../kube/kube-error.ts';
import { KINDS, type KindRef } from '../kube/kube-object.ts';
import { imagesOf } from './kube-system-images.ts';

/** An image that runs in a namespace and that enforcing would refuse. */
export interface RefusedImage {
  readonly what: string;
  readonly why: string;
}

const WORKLOADS: readonly KindRef[] = [KINDS.pod, KINDS.deployment, KINDS.daemonSet, KINDS.statefulSet, KINDS.cronJob];
const MAX_IMAGES = 200;
/** How the webhook begins its warnings in a namespace that is not enforced. */
const WARNING = /^sealift would refuse image .*?: (\[.*)$/s;

/** Asks the webhook, by dry runs, about every image that workloads of a namespace use now. Makes nothing. */
export async function wouldBeRefused(cluster: Cluster, namespace: string): Promise<RefusedImage[]> {
  const images = new Set<string>();
  for (const kind of WORKLOADS) {
    for (const object of await cluster.list(kind, { namespace }))
      for (const image of imagesOf(object)) images.add(image);
  }
  const refused: RefusedImage[] = [];
  for (const what of [...images].sort().slice(0, MAX_IMAGES)) {
    const why = await refusalOf(cluster, namespace, what);
    if (why !== undefined) refused.push({ what, why });
  }
  return refused;
}

async function refusalOf(cluster: Cluster, namespace: string, image: string): Promise<string | undefined> {
  const warnings: string[] = [];
  const pod = {
    ...KINDS.pod,
    metadata: { name: `sealift-question-${randomBytes(4).toString('hex')}`, namespace },
    spec: { containers: [{ name: 'main', image }] },
  };
  try {
    await cluster.create(pod, { dryRun: true, onWarning: (text) => warnings.push(text) });
  } catch (error) {
    // Enforced already, or refused by somebody else's rule for pods: the words say which.
    if (isKubeError(error, 'FORBIDDEN', 'INVALID')) return describeError(error);
    throw error;
  }
  return warnings.map((text) => WARNING.exec(text)?.[1]).find((text) => text !== undefined);
}
