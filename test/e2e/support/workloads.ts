/** How an image comes into a workload. */
export const KINDS = [
  'Pod',
  'Pod with an init container',
  'Deployment',
  'StatefulSet',
  'DaemonSet',
  'ReplicaSet',
  'Job',
  'CronJob',
] as const;
export type WorkloadKind = (typeof KINDS)[number];

/** A workload that would run `image`. */
export interface Wanted {
  readonly name: string;
  readonly namespace: string;
  readonly image: string;
  /** The image beside which an init container's image stands. */
  readonly main?: string;
}

const APPS = ['Deployment', 'StatefulSet', 'DaemonSet', 'ReplicaSet'];

/** The object of that kind. */
export function workload(kind: WorkloadKind, { name, namespace, image, main = image }: Wanted): object {
  const labels = { app: name };
  const metadata = { name, namespace, labels };
  const containers = [{ name: 'main', image }];
  const pod = { terminationGracePeriodSeconds: 0, containers };
  const once = { ...pod, restartPolicy: 'Never' };
  if (kind === 'Pod') return { apiVersion: 'v1', kind, metadata, spec: pod };
  if (kind === 'Pod with an init container') {
    const spec = { ...pod, initContainers: [{ name: 'init', image }], containers: [{ name: 'main', image: main }] };
    return { apiVersion: 'v1', kind: 'Pod', metadata, spec };
  }
  const template = { metadata: { labels }, spec: APPS.includes(kind) ? pod : once };
  if (APPS.includes(kind)) {
    const spec = {
      selector: { matchLabels: labels },
      template,
      ...(kind === 'StatefulSet' ? { serviceName: name } : {}),
    };
    return { apiVersion: 'apps/v1', kind, metadata, spec };
  }
  if (kind === 'Job') return { apiVersion: 'batch/v1', kind, metadata, spec: { template } };
  const spec = { schedule: '0 0 1 1 *', jobTemplate: { spec: { template } } };
  return { apiVersion: 'batch/v1', kind, metadata, spec };
}
