import type { AdmissionRequest } from '../../../../appliance/webhook/admission-review.ts';

type Json = Record<string, unknown>;

const POD_TEMPLATE_KINDS: Record<string, { group: string; version: string; resource: string }> = {
  Pod: { group: '', version: 'v1', resource: 'pods' },
  PodTemplate: { group: '', version: 'v1', resource: 'podtemplates' },
  ReplicationController: { group: '', version: 'v1', resource: 'replicationcontrollers' },
  ReplicaSet: { group: 'apps', version: 'v1', resource: 'replicasets' },
  Deployment: { group: 'apps', version: 'v1', resource: 'deployments' },
  StatefulSet: { group: 'apps', version: 'v1', resource: 'statefulsets' },
  DaemonSet: { group: 'apps', version: 'v1', resource: 'daemonsets' },
  Job: { group: 'batch', version: 'v1', resource: 'jobs' },
  CronJob: { group: 'batch', version: 'v1', resource: 'cronjobs' },
};

/** The kinds that hold pods. */
export const WORKLOAD_KINDS = Object.keys(POD_TEMPLATE_KINDS);

/** The group of a workload kind. */
export function groupKind(kind: string): { group: string; kind: string } {
  return { group: POD_TEMPLATE_KINDS[kind]?.group ?? '', kind };
}

/** An object of `kind` around a pod spec. */
export function workload(kind: string, spec: Json, metadata: Json = {}): Json {
  const meta = { metadata: { name: 'web', namespace: 'shop', ...metadata } };
  switch (kind) {
    case 'Pod':
      return { ...meta, spec };
    case 'PodTemplate':
      return { ...meta, template: { spec } };
    case 'CronJob':
      return { ...meta, spec: { jobTemplate: { spec: { template: { spec } } } } };
    default:
      return { ...meta, spec: { replicas: 1, template: { spec } } };
  }
}

/** A pod spec with one container `web`. */
export function podSpec(image: string, more: Json = {}): Json {
  return { containers: [{ name: 'web', image }], ...more };
}

/** A request to create `object`. */
export function createRequest(kind: string, object: Json, more: Partial<AdmissionRequest> = {}): AdmissionRequest {
  const { group = '', version = 'v1', resource = 'things' } = POD_TEMPLATE_KINDS[kind] ?? {};
  return {
    uid: 'uid-1',
    kind: { group, version, kind },
    resource: { group, version, resource },
    subResource: '',
    name: 'web',
    namespace: 'shop',
    operation: 'CREATE',
    userInfo: { username: 'dev' },
    object,
    oldObject: null,
    ...more,
  };
}

/** A request to change `oldObject` into `object`. */
export function updateRequest(kind: string, oldObject: Json, object: Json): AdmissionRequest {
  return createRequest(kind, object, { operation: 'UPDATE', oldObject });
}

/** A request as the API server posts it. */
export function reviewBody(request: unknown): Buffer {
  return Buffer.from(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request }));
}
