import { KINDS, type KubeObject } from '../../kube/kube-object.ts';
import { sameJson } from '../../kube/merge-fields.ts';
import { MANAGED } from '../secrets.ts';
import { SEALIFT, STACK } from '../site-names.ts';
import { DONE, type InstallWorld, missing, type Step } from '../step.ts';

function namespaceObject(name: string, podSecurity: 'baseline' | 'privileged'): KubeObject {
  const labels = {
    ...MANAGED,
    'app.kubernetes.io/part-of': 'sealift',
    'pod-security.kubernetes.io/enforce': podSecurity,
  };
  return { ...KINDS.namespace, metadata: { name, labels } };
}

/** The two namespaces. The node agent writes to its node, which Pod Security calls privileged. */
export const NAMESPACES: readonly KubeObject[] = [
  namespaceObject(STACK, 'baseline'),
  namespaceObject(SEALIFT, 'privileged'),
];

export const namespaces: Step = {
  id: 'namespaces',
  title: 'Namespaces',
  look: async ({ cluster }: InstallWorld) => {
    for (const wanted of NAMESPACES) {
      const { name, labels = {} } = wanted.metadata;
      const present = await cluster.get({ kind: KINDS.namespace, name });
      if (present === undefined) return missing(`namespace ${name}`);
      const found = Object.fromEntries(Object.keys(labels).map((key) => [key, present.metadata.labels?.[key]]));
      if (!sameJson(found, labels)) return missing(`labels of namespace ${name}`);
    }
    return DONE;
  },
  act: async ({ cluster }) => {
    for (const wanted of NAMESPACES) await cluster.apply(wanted);
  },
};
