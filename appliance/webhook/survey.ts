import type { Cluster } from '../kube/cluster.ts';
import { groupOf, KINDS, type KindRef, type KubeObject } from '../kube/kube-object.ts';
import type { WebhookAnswer } from './webhook-client.ts';

/** A workload that would not be let in today. */
export interface RefusedWorkload {
  readonly namespace: string;
  readonly kind: string;
  readonly name: string;
  /** Each refused image with its reasons, as a developer would read it. */
  readonly reasons: string;
}

/** What runs in a cluster, judged as if it were created now. */
export interface Survey {
  readonly judged: number;
  /** Sorted by namespace, kind and name. */
  readonly refused: readonly RefusedWorkload[];
}

/** Asks the webhook about one request, without the API server in between. */
export type Ask = (request: { readonly uid: string }) => Promise<WebhookAnswer>;

/** Plural names, as admission requests carry them. */
const SURVEYED: readonly (readonly [KindRef, string])[] = [
  [KINDS.deployment, 'deployments'],
  [KINDS.statefulSet, 'statefulsets'],
  [KINDS.daemonSet, 'daemonsets'],
  [KINDS.replicaSet, 'replicasets'],
  [KINDS.cronJob, 'cronjobs'],
  [KINDS.job, 'jobs'],
  [KINDS.pod, 'pods'],
];

/**
 * Judges every workload that somebody wrote (what a controller made from another is left out), and changes nothing.
 * @param options.exempt namespaces that the webhook leaves out.
 * @throws KubeError; WebhookError `WEBHOOK_UNREACHABLE`.
 */
export async function surveyWorkloads(
  cluster: Cluster,
  ask: Ask,
  options: { readonly namespace?: string; readonly exempt: readonly string[] },
): Promise<Survey> {
  const exempt = new Set(options.exempt);
  const selection = options.namespace === undefined ? {} : { namespace: options.namespace };
  const refused: RefusedWorkload[] = [];
  let judged = 0;
  for (const [kind, resource] of SURVEYED) {
    for (const object of await cluster.list(kind, selection)) {
      if (exempt.has(object.metadata.namespace ?? '') || isMadeByController(object)) continue;
      judged += 1;
      const reasons = refusalIn(await ask(requestFor(object, resource)));
      const { namespace = '', name } = object.metadata;
      if (reasons !== undefined) refused.push({ namespace, kind: kind.kind, name, reasons });
    }
  }
  const order = (one: RefusedWorkload): string => `${one.namespace}/${one.kind}/${one.name}`;
  return { judged, refused: refused.sort((a, b) => (order(a) < order(b) ? -1 : 1)) };
}

function isMadeByController({ metadata }: KubeObject): boolean {
  const owners: unknown = metadata['ownerReferences'];
  return Array.isArray(owners) && owners.length > 0;
}

function requestFor(object: KubeObject, resource: string) {
  const { namespace = '', name, uid } = object.metadata;
  const version = object.apiVersion.split('/').at(-1) ?? '';
  const group = groupOf(object);
  return {
    uid: `survey-${uid ?? `${namespace}-${name}`}`,
    kind: { group, version, kind: object.kind },
    resource: { group, version, resource },
    namespace,
    name,
    operation: 'CREATE',
    userInfo: { username: 'sealift:survey' },
    object,
    oldObject: null,
    dryRun: true,
  };
}

/** A refusal is a denial, or, where the namespace is in warn mode, what the audit annotations say. */
function refusalIn({ allowed, status, auditAnnotations }: WebhookAnswer): string | undefined {
  if (!allowed) return status.message;
  const verdict = auditAnnotations['verdict'];
  if (verdict === undefined || verdict === 'admitted') return undefined;
  return auditAnnotations['reasons'] ?? 'refused without a reason';
}
