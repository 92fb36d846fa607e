import { WebhookError } from './webhook-error.ts';

/** An image that a workload names, and where. */
export interface WorkloadImage {
  /** As it is written; may be empty when the object names none. */
  readonly image: string;
  /** JSON pointer to the text (RFC 6901). */
  readonly pointer: string;
  /** For people, and to find the same place in another version of the object: `spec.containers[web]`. */
  readonly place: string;
}

type Json = Readonly<Record<string, unknown>>;

/** Where each kind keeps its pod spec. */
const POD_SPEC_PATHS: Readonly<Record<string, readonly string[]>> = {
  '/Pod': ['spec'],
  '/PodTemplate': ['template', 'spec'],
  '/ReplicationController': ['spec', 'template', 'spec'],
  'apps/ReplicaSet': ['spec', 'template', 'spec'],
  'apps/Deployment': ['spec', 'template', 'spec'],
  'apps/StatefulSet': ['spec', 'template', 'spec'],
  'apps/DaemonSet': ['spec', 'template', 'spec'],
  'batch/Job': ['spec', 'template', 'spec'],
  'batch/CronJob': ['spec', 'jobTemplate', 'spec', 'template', 'spec'],
};

const CONTAINER_LISTS = ['initContainers', 'containers', 'ephemeralContainers'] as const;
/** More containers and volumes than any pod that Kubernetes stores within its size limit and that a node starts. */
const MAX_IMAGES = 1024;

/** True for the kinds that hold a pod spec and are judged. */
export function isWorkloadKind(kind: { readonly group: string; readonly kind: string }): boolean {
  return Object.hasOwn(POD_SPEC_PATHS, `${kind.group}/${kind.kind}`);
}

/**
 * Every image that a workload makes a node fetch: init, plain and ephemeral containers, and image volumes.
 * @throws WebhookError `KIND_UNKNOWN` for a kind that is not a workload, `OBJECT_MALFORMED` when the object is not what
 *   the API server sends for its kind.
 */
export function imagesInWorkload(
  kind: { readonly group: string; readonly kind: string },
  object: Json,
): readonly WorkloadImage[] {
  const path = Object.hasOwn(POD_SPEC_PATHS, `${kind.group}/${kind.kind}`)
    ? POD_SPEC_PATHS[`${kind.group}/${kind.kind}`]
    : undefined;
  if (path === undefined) throw new WebhookError('KIND_UNKNOWN', `${kind.kind} is not a kind that holds pods`);
  const spec = podSpecAt(object, path);
  if (spec === undefined) return [];
  const images = [...CONTAINER_LISTS.flatMap((list) => containerImages(spec, list, path)), ...imageVolumes(spec, path)];
  if (images.length > MAX_IMAGES) throw malformed(path.join('.'), `names more than ${MAX_IMAGES} images`);
  return images;
}

/** A ReplicationController may have no template at all; then there is no pod spec. */
function podSpecAt(object: Json, path: readonly string[]): Json | undefined {
  let current: Json = object;
  const seen: string[] = [];
  for (const step of path) {
    seen.push(step);
    const next = current[step];
    if (next === undefined || next === null) return undefined;
    current = asObject(next, seen.join('.'));
  }
  return current;
}

function containerImages(spec: Json, list: (typeof CONTAINER_LISTS)[number], path: readonly string[]) {
  return listAt(spec, list, path).map((container, index): WorkloadImage => {
    const place = `${path.join('.')}.${list}[${nameOf(container, index)}]`;
    return {
      image: textAt(container, 'image', place),
      pointer: `/${[...path, list, index, 'image'].join('/')}`,
      place,
    };
  });
}

/** Volumes of type `image` (KEP-4639): the kubelet pulls them like a container's image. */
function imageVolumes(spec: Json, path: readonly string[]): WorkloadImage[] {
  return listAt(spec, 'volumes', path).flatMap((volume, index): WorkloadImage[] => {
    const source = volume['image'];
    if (source === undefined || source === null) return [];
    const place = `${path.join('.')}.volumes[${nameOf(volume, index)}]`;
    const pointer = `/${[...path, 'volumes', index, 'image', 'reference'].join('/')}`;
    return [{ image: textAt(asObject(source, place), 'reference', place), pointer, place }];
  });
}

function listAt(spec: Json, list: string, path: readonly string[]): readonly Json[] {
  const value = spec[list];
  if (value === undefined || value === null) return [];
  const place = `${path.join('.')}.${list}`;
  if (!Array.isArray(value)) throw malformed(place, 'is not a list');
  return value.map((item: unknown, index) => asObject(item, `${place}[${index}]`));
}

function nameOf(item: Json, index: number): string {
  const name = item['name'];
  return typeof name === 'string' && name !== '' ? name : String(index);
}

function textAt(item: Json, field: string, place: string): string {
  const value = item[field] ?? '';
  if (typeof value !== 'string') throw malformed(`${place}.${field}`, 'is not text');
  return value;
}

function asObject(value: unknown, place: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw malformed(place, 'is not an object');
  return value as Json;
}

function malformed(place: string, why: string): WebhookError {
  return new WebhookError('OBJECT_MALFORMED', `${place} ${why}`);
}
