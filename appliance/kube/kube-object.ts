/** A kind of object, as `apiVersion` and `kind` name it. */
export interface KindRef {
  /** `v1`, `apps/v1`, `policy.sigstore.dev/v1beta1`. */
  readonly apiVersion: string;
  readonly kind: string;
}

/** The part of an object's `metadata` that Sealift reads and writes. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly finalizers?: readonly string[];
  readonly [field: string]: unknown;
}

/** Any object of the cluster. What lies below `spec`, `status` and other fields is for the reader's schema to narrow. */
export interface KubeObject extends KindRef {
  readonly metadata: ObjectMeta;
  readonly spec?: unknown;
  readonly status?: unknown;
  /** ConfigMap: text; Secret: base64. */
  readonly data?: Readonly<Record<string, string>>;
  /** ConfigMap: base64. */
  readonly binaryData?: Readonly<Record<string, string>>;
  readonly type?: string;
  readonly [field: string]: unknown;
}

/** Names one object. `namespace` is left out for kinds that lie outside of namespaces. */
export interface ObjectRef {
  readonly kind: KindRef;
  readonly name: string;
  readonly namespace?: string;
}

const kind = (apiVersion: string, name: string): KindRef => ({ apiVersion, kind: name });

/** The kinds that Sealift names. */
export const KINDS = {
  configMap: kind('v1', 'ConfigMap'),
  secret: kind('v1', 'Secret'),
  namespace: kind('v1', 'Namespace'),
  node: kind('v1', 'Node'),
  pod: kind('v1', 'Pod'),
  event: kind('v1', 'Event'),
  service: kind('v1', 'Service'),
  serviceAccount: kind('v1', 'ServiceAccount'),
  persistentVolumeClaim: kind('v1', 'PersistentVolumeClaim'),
  deployment: kind('apps/v1', 'Deployment'),
  statefulSet: kind('apps/v1', 'StatefulSet'),
  daemonSet: kind('apps/v1', 'DaemonSet'),
  replicaSet: kind('apps/v1', 'ReplicaSet'),
  job: kind('batch/v1', 'Job'),
  cronJob: kind('batch/v1', 'CronJob'),
  lease: kind('coordination.k8s.io/v1', 'Lease'),
  storageClass: kind('storage.k8s.io/v1', 'StorageClass'),
  crd: kind('apiextensions.k8s.io/v1', 'CustomResourceDefinition'),
  mutatingWebhook: kind('admissionregistration.k8s.io/v1', 'MutatingWebhookConfiguration'),
  validatingWebhook: kind('admissionregistration.k8s.io/v1', 'ValidatingWebhookConfiguration'),
  clusterImagePolicy: kind('policy.sigstore.dev/v1beta1', 'ClusterImagePolicy'),
} as const satisfies Record<string, KindRef>;

/** The reference to `object`. */
export function refOf(object: KubeObject): ObjectRef {
  const { name, namespace } = object.metadata;
  const { apiVersion, kind: kindName } = object;
  return {
    kind: { apiVersion, kind: kindName },
    name,
    ...(namespace === undefined ? {} : { namespace }),
  };
}

/** The API group of a kind; empty for the core group. */
export function groupOf(ref: KindRef): string {
  const slash = ref.apiVersion.indexOf('/');
  return slash === -1 ? '' : ref.apiVersion.slice(0, slash);
}

/** `Deployment sigstore-system/fulcio`, for messages. */
export function describeRef(ref: ObjectRef): string {
  return `${ref.kind.kind} ${ref.namespace === undefined ? '' : `${ref.namespace}/`}${ref.name}`;
}
