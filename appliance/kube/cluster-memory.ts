import { randomUUID } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

import { type Clock, systemClock } from '../kernel/clock.ts';
import type {
  AccessQuestion,
  Cluster,
  CreateOptions,
  Patch,
  PodLogsQuery,
  PortForward,
  PortForwardTarget,
  Selection,
  ServerVersion,
  WatchEvent,
  WatchOptions,
} from './cluster.ts';
import { KubeError } from './kube-error.ts';
import { describeRef, type KindRef, type KubeObject, type ObjectRef, refOf } from './kube-object.ts';
import { jsonPatch, mergeFields, mergePatch, sameJson, withoutDropped } from './merge-fields.ts';
import { fieldSelector, labelSelector } from './selectors.ts';

/** What a {@link MemoryCluster} is made of besides its objects. */
export interface MemoryClusterOptions {
  readonly clock?: Clock;
  readonly version?: ServerVersion;
  /** Says whether a request is allowed; all are unless told. */
  readonly allows?: (question: AccessQuestion) => boolean;
  /**
   * Plays the controllers: called after each write with the object as it is now; what it returns is laid over the object
   * (a status, as a rule). Called again on its own change until it returns nothing new.
   */
  readonly react?: (object: KubeObject, cluster: MemoryCluster) => Readonly<Record<string, unknown>> | undefined;
  /** Plays admission: throws to refuse the object. */
  readonly admit?: (object: KubeObject) => void;
  /** Plays admission's warnings about an object that is created. */
  readonly warn?: (object: KubeObject) => readonly string[];
  /** Answers to {@link Cluster.raw}, by path. */
  readonly rawPaths?: Readonly<Record<string, string>>;
}

interface Stored {
  object: KubeObject;
  readonly appliedBy: Map<string, unknown>;
}

type Listener = (event: Exclude<WatchEvent, { type: 'synced' }>) => void;

/**
 * A cluster in memory, held to the same contract as the real one: versions, conflicts, server-side apply, watches.
 * There is no controller in it but `react`.
 */
export class MemoryCluster implements Cluster {
  readonly server = 'memory:';
  /** What {@link Cluster.podLogs} answers, by `namespace/pod`. */
  readonly logs = new Map<string, string>();
  /** Where {@link Cluster.portForward} leads: handlers by `namespace/pod:port`. */
  readonly ports = new Map<string, http.RequestListener>();
  readonly #objects = new Map<string, Stored>();
  readonly #listeners = new Set<Listener>();
  readonly #options: MemoryClusterOptions;
  #version = 1000;

  constructor(options: MemoryClusterOptions = {}) {
    this.#options = options;
  }

  /** How many writes changed something so far. */
  get writes(): number {
    return this.#version - 1000;
  }

  async get(ref: ObjectRef): Promise<KubeObject | undefined> {
    return structuredClone(this.#objects.get(keyOf(ref))?.object);
  }

  async list(kind: KindRef, selection: Selection = {}): Promise<KubeObject[]> {
    const matches = matcher(kind, selection);
    const found = [...this.#objects.values()].map((stored) => stored.object).filter(matches);
    const order = ({ metadata: { namespace = '', name } }: KubeObject): string => `${namespace}/${name}`;
    return structuredClone(found.sort((a, b) => (order(a) < order(b) ? -1 : 1)));
  }

  async apply(object: KubeObject, manager = 'sealift'): Promise<KubeObject> {
    this.#options.admit?.(object);
    const stored = this.#objects.get(keyOf(refOf(object)));
    const wanted = withoutServerFields(object);
    if (stored === undefined) return this.#insert(wanted, { manager });
    const earlier = stored.appliedBy.get(manager);
    const next = mergeFields(withoutDropped(stored.object, earlier, wanted), wanted) as KubeObject;
    stored.appliedBy.set(manager, wanted);
    return this.#update(stored, next);
  }

  async create(object: KubeObject, { dryRun = false, onWarning }: CreateOptions = {}): Promise<KubeObject> {
    this.#options.admit?.(object);
    const ref = refOf(object);
    if (this.#objects.has(keyOf(ref))) throw new KubeError('ALREADY_EXISTS', `${describeRef(ref)}: already exists`);
    for (const text of this.#options.warn?.(object) ?? []) onWarning?.(text);
    if (dryRun) return structuredClone(object);
    return this.#insert(withoutServerFields(object), {});
  }

  async replace(object: KubeObject): Promise<KubeObject> {
    this.#options.admit?.(object);
    const stored = this.#existing(refOf(object));
    assertVersion(stored, object.metadata.resourceVersion);
    const { uid, creationTimestamp, generation, resourceVersion } = stored.object.metadata;
    const kept = definedOnly({ uid, creationTimestamp, generation, resourceVersion });
    return this.#update(stored, { ...object, metadata: { ...object.metadata, ...kept } });
  }

  async patch(ref: ObjectRef, patch: Patch): Promise<KubeObject> {
    const stored = this.#existing(ref);
    if (patch.type === 'json') return this.#update(stored, jsonPatch(stored.object, patch.operations) as KubeObject);
    const metadata = patch.body['metadata'] as { resourceVersion?: string } | undefined;
    assertVersion(stored, metadata?.resourceVersion);
    const merge = patch.type === 'merge' ? mergePatch : mergeFields;
    return this.#update(stored, merge(stored.object, patch.body) as KubeObject);
  }

  async delete(ref: ObjectRef, precondition: { uid?: string; resourceVersion?: string } = {}): Promise<boolean> {
    const stored = this.#objects.get(keyOf(ref));
    if (stored === undefined) return false;
    assertVersion(stored, precondition.resourceVersion);
    if (precondition.uid !== undefined && precondition.uid !== stored.object.metadata.uid) throw conflict(stored);
    this.#remove(stored.object);
    const isNamespace = ref.kind.kind === 'Namespace' && ref.kind.apiVersion === 'v1';
    const inside = [...this.#objects.values()].filter(
      ({ object }) => isNamespace && object.metadata.namespace === ref.name,
    );
    for (const { object } of inside) this.#remove(object);
    return true;
  }

  async createSubresource(ref: ObjectRef, subresource: string, body: KubeObject): Promise<KubeObject> {
    this.#existing(ref);
    if (subresource !== 'token') return body;
    const expirationTimestamp = new Date(this.#now().getTime() + 3_600_000).toISOString();
    return { ...body, status: { token: `memory.${randomUUID()}.token`, expirationTimestamp } };
  }

  async watch(kind: KindRef, { onEvent, signal, ...selection }: WatchOptions): Promise<void> {
    const matches = matcher(kind, selection);
    const queue: WatchEvent[] = [];
    let wake = (): void => undefined;
    const listener: Listener = (event) => {
      if (!matches(event.object)) return;
      queue.push(event);
      wake();
    };
    this.#listeners.add(listener);
    const stop = (): void => wake();
    signal.addEventListener('abort', stop);
    try {
      for (const object of await this.list(kind, selection)) queue.push({ type: 'added', object });
      queue.push({ type: 'synced' });
      while (!signal.aborted) {
        const event = queue.shift();
        if (event !== undefined) await onEvent(structuredClone(event));
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      this.#listeners.delete(listener);
      signal.removeEventListener('abort', stop);
    }
  }

  async podLogs({ namespace, pod, tailLines = 100 }: PodLogsQuery): Promise<string> {
    const text = this.logs.get(`${namespace}/${pod}`);
    if (text === undefined) throw new KubeError('NOT_FOUND', `Pod ${namespace}/${pod}: no logs`);
    return text.split('\n').slice(-tailLines).join('\n');
  }

  async portForward({ namespace, pod, port }: PortForwardTarget): Promise<PortForward> {
    const handler = this.ports.get(`${namespace}/${pod}:${port}`);
    if (handler === undefined) throw new KubeError('NOT_FOUND', `Pod ${namespace}/${pod}: nothing at port ${port}`);
    const server = http.createServer(handler);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return {
      port: (server.address() as AddressInfo).port,
      close: () =>
        new Promise((resolve) => {
          server.close(() => resolve());
          server.closeAllConnections();
        }),
    };
  }

  async canI(question: AccessQuestion): Promise<boolean> {
    return this.#options.allows?.(question) ?? true;
  }

  async serverVersion(): Promise<ServerVersion> {
    return this.#options.version ?? { major: 1, minor: 34, text: 'v1.34.4' };
  }

  async raw(path: string): Promise<Buffer> {
    const text = this.#options.rawPaths?.[path];
    if (text === undefined) throw new KubeError('NOT_FOUND', `${path}: not found`);
    return Buffer.from(text);
  }

  #now(): Date {
    return (this.#options.clock ?? systemClock).now();
  }

  #existing(ref: ObjectRef): Stored {
    const stored = this.#objects.get(keyOf(ref));
    if (stored === undefined) throw new KubeError('NOT_FOUND', `${describeRef(ref)}: not found`);
    return stored;
  }

  #insert(object: KubeObject, { manager }: { manager?: string }): KubeObject {
    const metadata = {
      ...object.metadata,
      uid: randomUUID(),
      creationTimestamp: isoSeconds(this.#now()),
      generation: 1,
    };
    const stored: Stored = { object: { ...object, metadata }, appliedBy: new Map() };
    if (manager !== undefined) stored.appliedBy.set(manager, object);
    this.#objects.set(keyOf(refOf(object)), stored);
    return this.#written(stored, 'added');
  }

  #update(stored: Stored, next: KubeObject): KubeObject {
    if (sameJson(next, stored.object)) return structuredClone(stored.object);
    const generation = (stored.object.metadata.generation ?? 1) + (sameJson(next.spec, stored.object.spec) ? 0 : 1);
    stored.object = { ...next, metadata: { ...next.metadata, generation } };
    return this.#written(stored, 'modified');
  }

  #written(stored: Stored, type: 'added' | 'modified'): KubeObject {
    this.#version += 1;
    const metadata = { ...stored.object.metadata, resourceVersion: `${this.#version}` };
    stored.object = structuredClone({ ...stored.object, metadata });
    this.#tell({ type, object: stored.object });
    const change = this.#options.react?.(stored.object, this);
    if (change !== undefined) this.#update(stored, mergeFields(stored.object, change) as KubeObject);
    return structuredClone(stored.object);
  }

  #remove(object: KubeObject): void {
    this.#objects.delete(keyOf(refOf(object)));
    this.#version += 1;
    this.#tell({ type: 'deleted', object });
  }

  #tell(event: Parameters<Listener>[0]): void {
    for (const listener of this.#listeners) listener(structuredClone(event));
  }
}

function keyOf({ kind, namespace, name }: ObjectRef): string {
  return `${kind.apiVersion}|${kind.kind}|${namespace ?? ''}|${name}`;
}

function matcher(kind: KindRef, selection: Selection): (object: KubeObject) => boolean {
  const labels = labelSelector(selection.labelSelector ?? '');
  const fields = fieldSelector(selection.fieldSelector ?? '');
  return (object) =>
    object.kind === kind.kind &&
    object.apiVersion === kind.apiVersion &&
    (selection.namespace === undefined || object.metadata.namespace === selection.namespace) &&
    labels(object.metadata.labels ?? {}) &&
    fields(object);
}

function withoutServerFields(object: KubeObject): KubeObject {
  const metadata: Record<string, unknown> = { ...object.metadata };
  for (const field of ['uid', 'resourceVersion', 'generation', 'creationTimestamp', 'managedFields']) {
    Reflect.deleteProperty(metadata, field);
  }
  return structuredClone({ ...object, metadata: metadata as KubeObject['metadata'] });
}

function definedOnly(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function conflict({ object }: Stored): KubeError {
  return new KubeError('CONFLICT', `${describeRef(refOf(object))}: changed in the meantime`);
}

function assertVersion(stored: Stored, resourceVersion: string | undefined): void {
  if (resourceVersion !== undefined && resourceVersion !== stored.object.metadata.resourceVersion) {
    throw conflict(stored);
  }
}

function isoSeconds(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}
