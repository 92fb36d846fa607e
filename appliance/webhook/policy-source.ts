import type { TrustDomain } from '../../trust-root/trust-domain.ts';
import type { Log } from '../kernel/log.ts';
import type { Cluster } from '../kube/cluster.ts';
import { KINDS, type KubeObject } from '../kube/kube-object.ts';
import type { ImagePolicy } from '../verification/policy.ts';
import {
  type ReadPolicy,
  type ReadTrustRoot,
  readPolicy,
  readTrustRoot,
  TRUST_ROOT_KIND,
} from './cluster-documents.ts';
import { followObjects } from './followed-objects.ts';
import { ENFORCE_EVERYWHERE, MODES_CONFIG_MAP, type NamespaceModes, parseNamespaceModes } from './namespace-modes.ts';

/** What a {@link PolicySource} works with. */
export interface PolicySourceOptions {
  readonly cluster: Cluster;
  readonly log: Log;
  /** Told after each change. */
  readonly onChange?: () => void;
  /** Waits between two tries of a watch. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
}

type Objects = ReadonlyMap<string, KubeObject>;

/**
 * The ClusterImagePolicies, the TrustRoots and the namespaces' modes, as the cluster has them; the last known while it
 * can't be reached.
 */
export class PolicySource {
  readonly #options: PolicySourceOptions;
  readonly #readPolicy: (object: KubeObject) => ReadPolicy;
  readonly #readTrustRoot: (object: KubeObject) => ReadTrustRoot;
  #policies: readonly ReadPolicy[] | undefined;
  #trustRoots: readonly ReadTrustRoot[] | undefined;
  #modes: NamespaceModes | undefined;
  #modesFault: string | undefined;

  constructor(options: PolicySourceOptions) {
    this.#options = options;
    this.#readPolicy = onceEach(readPolicy, options.log);
    this.#readTrustRoot = onceEach(readTrustRoot, options.log);
  }

  /** Follows all of them until the signal is aborted. */
  async follow(signal: AbortSignal): Promise<void> {
    const { cluster, log, pause } = this.#options;
    const common = { log, signal, ...(pause === undefined ? {} : { pause }) };
    const { namespace, name } = MODES_CONFIG_MAP;
    await Promise.all([
      followObjects(cluster, {
        ...common,
        kind: KINDS.clusterImagePolicy,
        onSet: (objects) => {
          this.#policies = inOrder(objects).map(this.#readPolicy);
          this.#options.onChange?.();
        },
      }),
      followObjects(cluster, {
        ...common,
        kind: TRUST_ROOT_KIND,
        onSet: (objects) => {
          this.#trustRoots = inOrder(objects).map(this.#readTrustRoot);
          this.#options.onChange?.();
        },
      }),
      followObjects(cluster, {
        ...common,
        kind: KINDS.configMap,
        selection: { namespace, fieldSelector: `metadata.name=${name}` },
        onSet: (objects) => {
          this.#takeModes(objects.get(name));
        },
      }),
    ]);
  }

  /** True once all were read whole. */
  isSynced(): boolean {
    return this.#policies !== undefined && this.#trustRoots !== undefined && this.#modes !== undefined;
  }

  /** The policies of the cluster, sorted by name. */
  policies(): readonly ImagePolicy[] {
    return (this.#policies ?? []).map(({ policy }) => policy);
  }

  /** The trust domains that the cluster's TrustRoots make, sorted by name. */
  trustRoots(): readonly TrustDomain[] {
    return (this.#trustRoots ?? []).map(({ domain }) => domain).filter((domain) => domain !== undefined);
  }

  /** The mode of each namespace; enforced everywhere while that is not known. */
  modes(): NamespaceModes {
    return this.#modes ?? ENFORCE_EVERYWHERE;
  }

  /** What is wrong with what the cluster holds. */
  faults(): readonly string[] {
    const documents = [...(this.#policies ?? []), ...(this.#trustRoots ?? [])].map(({ fault }) => fault);
    return [...documents, this.#modesFault, ...this.modes().faults].filter((fault) => fault !== undefined);
  }

  #takeModes(configMap: KubeObject | undefined): void {
    const { namespace, name } = MODES_CONFIG_MAP;
    this.#modesFault =
      configMap === undefined ? `ConfigMap ${namespace}/${name} is missing: every namespace is enforced` : undefined;
    this.#modes = configMap === undefined ? ENFORCE_EVERYWHERE : parseNamespaceModes(configMap.data ?? {});
    if (this.#modesFault !== undefined) this.#options.log.warn(this.#modesFault);
    this.#options.onChange?.();
  }
}

function inOrder(objects: Objects): KubeObject[] {
  return [...objects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
}

/** `read`, done once for each version of an object; what is wrong with it is logged then. */
function onceEach<Read extends { readonly fault?: string }>(read: (object: KubeObject) => Read, log: Log) {
  const known = new WeakMap<KubeObject, Read>();
  return (object: KubeObject): Read => {
    const before = known.get(object);
    if (before !== undefined) return before;
    const now = read(object);
    if (now.fault !== undefined) log.error(`${object.kind} ${object.metadata.name} is invalid`, { error: now.fault });
    known.set(object, now);
    return now;
  };
}
