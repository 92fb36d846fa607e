import type { KubeConfig } from '@kubernetes/client-node';
import { z } from 'zod';

import { ApiConnection, type ApiRequest } from './api-connection.ts';
import { ApiKinds } from './api-kinds.ts';
import { openPortForward } from './api-port-forward.ts';
import { followKind } from './api-watch.ts';
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
  WatchOptions,
} from './cluster.ts';
import { isKubeError, KubeError } from './kube-error.ts';
import { describeRef, KINDS, type KindRef, type KubeObject, type ObjectRef, refOf } from './kube-object.ts';
import { parseObject } from './parse-object.ts';

const PAGE = 500;
const MAX_PAGES = 400;
const MAX_LOG_BYTES = 1024 * 1024;

const listSchema = z.looseObject({
  items: z.array(z.unknown()),
  metadata: z.looseObject({ continue: z.string().optional(), resourceVersion: z.string().optional() }),
});
const versionSchema = z.looseObject({ major: z.string(), minor: z.string(), gitVersion: z.string() });
const reviewSchema = z.looseObject({ status: z.looseObject({ allowed: z.boolean() }) });

const PATCH_TYPES = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

/** A real cluster, through its API server. */
export class ApiCluster implements Cluster {
  readonly server: string;
  readonly #config: KubeConfig;
  readonly #connection: ApiConnection;
  readonly #kinds: ApiKinds;

  constructor(config: KubeConfig, server: URL) {
    this.server = server.href.replace(/\/$/, '');
    this.#config = config;
    this.#connection = new ApiConnection(config, server);
    this.#kinds = new ApiKinds(this.#connection);
  }

  async get(ref: ObjectRef): Promise<KubeObject | undefined> {
    try {
      const path = await this.#kinds.objectPath(ref);
      return parseObject(await this.#connection.json({ path, what: describeRef(ref) }), ref.kind);
    } catch (error) {
      if (isKubeError(error, 'NOT_FOUND', 'KIND_UNKNOWN')) return undefined;
      throw error;
    }
  }

  async list(kind: KindRef, selection: Selection = {}): Promise<KubeObject[]> {
    try {
      return (await this.#listAll(kind, selection)).items;
    } catch (error) {
      if (isKubeError(error, 'NOT_FOUND', 'KIND_UNKNOWN')) return [];
      throw error;
    }
  }

  async apply(object: KubeObject, manager = 'sealift'): Promise<KubeObject> {
    const ref = refOf(object);
    const path = `${await this.#kinds.objectPath(ref)}?fieldManager=${encodeURIComponent(manager)}&force=true`;
    const metadata: Record<string, unknown> = { ...object.metadata };
    // The server refuses managedFields and takes a resourceVersion as a precondition.
    for (const field of ['managedFields', 'resourceVersion', 'uid', 'creationTimestamp', 'generation']) {
      Reflect.deleteProperty(metadata, field);
    }
    return this.#write({ method: 'PATCH', path, body: { ...object, metadata }, contentType: PATCH_TYPES.apply }, ref);
  }

  async create(object: KubeObject, { dryRun = false, onWarning }: CreateOptions = {}): Promise<KubeObject> {
    const ref = refOf(object);
    const collection = await this.#kinds.collectionPath(ref.kind, ref.namespace);
    const path = `${collection}?fieldManager=sealift${dryRun ? '&dryRun=All' : ''}`;
    const request = { method: 'POST', path, body: object } as const;
    return this.#write(onWarning === undefined ? request : { ...request, onWarning }, ref);
  }

  async replace(object: KubeObject): Promise<KubeObject> {
    const ref = refOf(object);
    const path = await this.#kinds.objectPath(ref);
    return this.#write({ method: 'PUT', path: `${path}?fieldManager=sealift`, body: object }, ref);
  }

  async patch(ref: ObjectRef, patch: Patch): Promise<KubeObject> {
    const subresource = patch.subresource === undefined ? '' : `/${patch.subresource}`;
    const path = `${await this.#kinds.objectPath(ref)}${subresource}?fieldManager=sealift`;
    const body = patch.type === 'json' ? patch.operations : patch.body;
    return this.#write({ method: 'PATCH', path, body, contentType: PATCH_TYPES[patch.type] }, ref);
  }

  async delete(ref: ObjectRef, precondition: { uid?: string; resourceVersion?: string } = {}): Promise<boolean> {
    try {
      const path = await this.#kinds.objectPath(ref);
      const body = {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        propagationPolicy: 'Background',
        preconditions: precondition,
      };
      await this.#connection.bytes({ method: 'DELETE', path, body, what: describeRef(ref) });
      return true;
    } catch (error) {
      if (isKubeError(error, 'NOT_FOUND', 'KIND_UNKNOWN')) return false;
      throw error;
    }
  }

  async createSubresource(ref: ObjectRef, subresource: string, body: KubeObject): Promise<KubeObject> {
    const path = `${await this.#kinds.objectPath(ref)}/${subresource}`;
    return this.#write({ method: 'POST', path, body }, ref);
  }

  watch(kind: KindRef, options: WatchOptions): Promise<void> {
    const source = {
      connection: this.#connection,
      kind,
      list: () => this.#listAll(kind, options),
      watchPath: async (resourceVersion: string) => {
        const query = {
          ...queryOf(options),
          watch: '1',
          allowWatchBookmarks: 'true',
          timeoutSeconds: '300',
          resourceVersion,
        };
        return `${await this.#kinds.collectionPath(kind, options.namespace)}?${new URLSearchParams(query).toString()}`;
      },
      pause,
    };
    return followKind(source, options);
  }

  async podLogs({ namespace, pod, container, tailLines = 100, previous = false }: PodLogsQuery): Promise<string> {
    const query = new URLSearchParams({ tailLines: `${tailLines}`, limitBytes: `${MAX_LOG_BYTES}` });
    if (container !== undefined) query.set('container', container);
    if (previous) query.set('previous', 'true');
    const ref = { kind: KINDS.pod, namespace, name: pod };
    const path = `${await this.#kinds.objectPath(ref)}/log?${query.toString()}`;
    return (await this.#connection.bytes({ path, what: `logs of ${describeRef(ref)}` })).toString('utf8');
  }

  portForward(target: PortForwardTarget): Promise<PortForward> {
    return openPortForward(this.#config, target);
  }

  async canI(question: AccessQuestion): Promise<boolean> {
    const { resource, ...rest } = question;
    const [plural = '', subresource] = resource.split('/');
    const attributes = { ...rest, resource: plural, ...(subresource === undefined ? {} : { subresource }) };
    const apiVersion = 'authorization.k8s.io/v1';
    const answer = await this.#connection.json({
      method: 'POST',
      path: `/apis/${apiVersion}/selfsubjectaccessreviews`,
      body: { apiVersion, kind: 'SelfSubjectAccessReview', spec: { resourceAttributes: attributes } },
      what: 'question about rights',
    });
    return reviewSchema.parse(answer).status.allowed;
  }

  async serverVersion(): Promise<ServerVersion> {
    const answer = await this.#connection.json({ path: '/version', what: 'version of the API server' });
    const { major, minor, gitVersion } = versionSchema.parse(answer);
    return { major: Number.parseInt(major, 10), minor: Number.parseInt(minor, 10), text: gitVersion };
  }

  raw(path: string): Promise<Buffer> {
    return this.#connection.bytes({ path, what: path });
  }

  async #write(
    request: Pick<ApiRequest, 'method' | 'path' | 'body' | 'contentType' | 'onWarning'>,
    ref: ObjectRef,
  ): Promise<KubeObject> {
    return parseObject(await this.#connection.json({ ...request, what: describeRef(ref) }), ref.kind);
  }

  async #listAll(kind: KindRef, selection: Selection): Promise<{ items: KubeObject[]; resourceVersion: string }> {
    const path = await this.#kinds.collectionPath(kind, selection.namespace);
    const items: KubeObject[] = [];
    let next: string | undefined;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const query = { ...queryOf(selection), limit: `${PAGE}`, ...(next === undefined ? {} : { continue: next }) };
      const answer = await this.#connection.json({
        path: `${path}?${new URLSearchParams(query).toString()}`,
        what: `list of ${kind.kind}`,
      });
      const { items: found, metadata } = listSchema.parse(answer);
      items.push(...found.map((item) => parseObject(item, kind)));
      next = metadata.continue === '' ? undefined : metadata.continue;
      if (next === undefined) return { items: items.sort(byName), resourceVersion: metadata.resourceVersion ?? '0' };
    }
    throw new KubeError('TOO_LARGE', `list of ${kind.kind}: more than ${MAX_PAGES * PAGE} objects`);
  }
}

function byName(a: KubeObject, b: KubeObject): number {
  const order = ({ metadata: { namespace = '', name } }: KubeObject): string => `${namespace}/${name}`;
  return order(a) < order(b) ? -1 : 1;
}

function queryOf({ labelSelector, fieldSelector }: Selection): Record<string, string> {
  return {
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}
