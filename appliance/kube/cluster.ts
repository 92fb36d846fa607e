import type { KindRef, KubeObject, ObjectRef } from './kube-object.ts';

/** Narrows a list or a watch. */
export interface Selection {
  /** Only this namespace; all namespaces when left out. */
  readonly namespace?: string;
  /** `a=b,c!=d,e in (f,g),h,!i`. */
  readonly labelSelector?: string;
  /** `metadata.name=x`, and what else the server knows for the kind. */
  readonly fieldSelector?: string;
}

/** One step of an RFC 6902 patch. */
export interface JsonPatchOperation {
  readonly op: 'add' | 'replace' | 'remove' | 'test';
  readonly path: string;
  readonly value?: unknown;
}

/** A change of parts of an object. `metadata.resourceVersion` in the body makes it conditional. */
export type Patch = {
  /** `status`, for one; the object itself when left out. */
  readonly subresource?: string;
} & (
  | { readonly type: 'merge' | 'strategic'; readonly body: Readonly<Record<string, unknown>> }
  | { readonly type: 'json'; readonly operations: readonly JsonPatchOperation[] }
);

/**
 * What a watch tells, in order: `added` for everything that is there, `synced` once, then each change. After a gap (broken
 * connection, expired version) the list is read again and only the differences are told.
 */
export type WatchEvent =
  | { readonly type: 'added' | 'modified' | 'deleted'; readonly object: KubeObject }
  | { readonly type: 'synced' };

/** How to watch. */
export interface WatchOptions extends Selection {
  /** Called one event at a time; the next waits for its promise. What it throws ends the watch. */
  readonly onEvent: (event: WatchEvent) => void | Promise<void>;
  /** Ends the watch. */
  readonly signal: AbortSignal;
}

/** How to create. */
export interface CreateOptions {
  /** Goes through admission and keeps nothing. */
  readonly dryRun?: boolean;
  /** Told each warning that admission or the API server gives along. */
  readonly onWarning?: (text: string) => void;
}

/** Which log lines of a pod. */
export interface PodLogsQuery {
  readonly namespace: string;
  readonly pod: string;
  readonly container?: string;
  /** The last so many lines; 100 unless told. */
  readonly tailLines?: number;
  /** Those of the container's run before this one. */
  readonly previous?: boolean;
}

/** A pod's port, reached through the API server. */
export interface PortForwardTarget {
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
}

/** A way to a pod's port that lasts until it is closed. */
export interface PortForward {
  /** The port on 127.0.0.1 that leads to the pod's. */
  readonly port: number;
  close(): Promise<void>;
}

/** A question about rights. */
export interface AccessQuestion {
  readonly verb: string;
  readonly group: string;
  /** Plural, with `/subresource` where one is meant. */
  readonly resource: string;
  readonly namespace?: string;
  readonly name?: string;
}

/** The version that a cluster's API server states. */
export interface ServerVersion {
  readonly major: number;
  readonly minor: number;
  /** As the server writes it, e.g. `v1.34.4`. */
  readonly text: string;
}

/**
 * A Kubernetes cluster, in the verbs that Sealift needs. Every call is limited in time and in the size of the answer.
 * All may throw KubeError `UNREACHABLE`, `UNAUTHORIZED`, `FORBIDDEN`, `TIMEOUT`, `TOO_LARGE`, `SERVER_ERROR`.
 */
export interface Cluster {
  /** Where the cluster is, for people: the API server's URL. */
  readonly server: string;
  /** The object, or `undefined` when it is not there (or its kind is unknown to the server). */
  get(ref: ObjectRef): Promise<KubeObject | undefined>;
  /** All objects of a kind that match, however many pages; sorted by namespace and name. Empty for an unknown kind. */
  list(kind: KindRef, selection?: Selection): Promise<KubeObject[]>;
  /**
   * Makes the cluster hold `object`, by server-side apply with force: fields that an earlier apply of the same manager
   * set and this one leaves out go away, others' fields stay. When nothing changes nothing is written.
   * @param manager the field manager; `sealift` unless told.
   * @returns the object as it is afterwards. @throws KubeError `INVALID`, `KIND_UNKNOWN`.
   */
  apply(object: KubeObject, manager?: string): Promise<KubeObject>;
  /**
   * Makes a new object. @throws KubeError `ALREADY_EXISTS`, `INVALID`, `KIND_UNKNOWN`, `FORBIDDEN` by admission, too.
   */
  create(object: KubeObject, options?: CreateOptions): Promise<KubeObject>;
  /**
   * Replaces an object whole; `metadata.resourceVersion`, where given, must be the current one.
   * @throws KubeError `CONFLICT`, `NOT_FOUND`, `INVALID`.
   */
  replace(object: KubeObject): Promise<KubeObject>;
  /** Changes parts of an object. @throws KubeError `CONFLICT`, `NOT_FOUND`, `INVALID`. */
  patch(ref: ObjectRef, patch: Patch): Promise<KubeObject>;
  /**
   * Deletes an object and, in the background, what it owns.
   * @param precondition only when the object still has this uid or resourceVersion. @throws KubeError `CONFLICT`.
   * @returns false when it was not there.
   */
  delete(ref: ObjectRef, precondition?: { readonly uid?: string; readonly resourceVersion?: string }): Promise<boolean>;
  /** Posts to a subresource, such as `token` of a ServiceAccount (TokenRequest), and hands on the answer. */
  createSubresource(ref: ObjectRef, subresource: string, body: KubeObject): Promise<KubeObject>;
  /**
   * Follows all objects of a kind until the signal is aborted. Broken connections are taken up again with growing pauses
   * (at most 30 s); only a missing right or an unknown kind at the first list, and what `onEvent` throws, reject.
   */
  watch(kind: KindRef, options: WatchOptions): Promise<void>;
  /** The last lines that a container wrote. @throws KubeError `NOT_FOUND`, `INVALID` (not started yet). */
  podLogs(query: PodLogsQuery): Promise<string>;
  /** Opens a port on 127.0.0.1 whose connections end at the pod's port. */
  portForward(target: PortForwardTarget): Promise<PortForward>;
  /** Whether the caller may do this. */
  canI(question: AccessQuestion): Promise<boolean>;
  serverVersion(): Promise<ServerVersion>;
  /** GET of any path of the API server, e.g. `/.well-known/openid-configuration`. @throws KubeError `NOT_FOUND`. */
  raw(path: string): Promise<Buffer>;
}
