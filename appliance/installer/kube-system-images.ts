import { z } from 'zod';

import type { Helm } from '../helm/helm.ts';
import type { Cluster } from '../kube/cluster.ts';
import { KINDS, type KindRef } from '../kube/kube-object.ts';
import { SEALIFT } from './site-names.ts';

const container = z.looseObject({ image: z.string().default('') });
const podSpec = z.looseObject({
  containers: z.array(container).default([]),
  initContainers: z.array(container).default([]),
});
const template = z.looseObject({ spec: podSpec.optional() });
const workload = z.looseObject({
  spec: z
    .looseObject({
      containers: z.array(container).default([]),
      initContainers: z.array(container).default([]),
      template: template.optional(),
      jobTemplate: z.looseObject({ spec: z.looseObject({ template: template.optional() }).optional() }).optional(),
    })
    .optional(),
});
const recorded = z.looseObject({
  inventory: z.looseObject({ kubeSystemImages: z.array(z.string()).default([]) }).optional(),
});

const WORKLOADS: readonly KindRef[] = [KINDS.pod, KINDS.deployment, KINDS.daemonSet, KINDS.statefulSet, KINDS.cronJob];

/** Image references as workloads name them, wherever in the object a pod is described. */
export function imagesOf(object: unknown): string[] {
  const { spec } = workload.parse(object);
  const specs = [spec, spec?.template?.spec, spec?.jobTemplate?.spec?.template?.spec];
  return specs
    .flatMap((each) => [...(each?.containers ?? []), ...(each?.initContainers ?? [])])
    .map(({ image }) => image)
    .filter((image) => image !== '');
}

/**
 * The images that may run in kube-system: those that the site has recorded, else those that run there now. Recorded once,
 * with the webhook's release, so that what came later needs an administrator's word.
 */
export async function kubeSystemImages(cluster: Cluster, helm: Helm): Promise<string[]> {
  const values = await helm.values({ name: 'webhook', namespace: SEALIFT });
  const known = recorded.parse(values ?? {}).inventory?.kubeSystemImages ?? [];
  if (known.length > 0) return known;
  const found = new Set<string>();
  for (const kind of WORKLOADS) {
    for (const object of await cluster.list(kind, { namespace: 'kube-system' })) {
      for (const image of imagesOf(object)) found.add(image);
    }
  }
  return [...found].sort();
}
