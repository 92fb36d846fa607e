import { z } from 'zod';

import { describeError } from '../kernel/coded-error.ts';
import type { Log } from '../kernel/log.ts';
import type { Cluster } from '../kube/cluster.ts';
import { KINDS, type KubeObject } from '../kube/kube-object.ts';
import { type ImagePolicy, parsePolicy } from '../verification/policy.ts';
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

/**
 * The ClusterImagePolicies and the namespaces' modes, as the cluster has them; the last known while it can't be reached.
 */
export class PolicySource {
  readonly #options: PolicySourceOptions;
  readonly #parsed = new WeakMap<KubeObject, ParsedPolicy>();
  #policies: readonly ParsedPolicy[] | undefined;
  #modes: NamespaceModes | undefined;
  #modesFault: string | undefined;

  constructor(options: PolicySourceOptions) {
    this.#options = options;
  }

  /** Follows both until the signal is aborted. */
  async follow(signal: AbortSignal): Promise<void> {
    const { cluster, log, pause } = this.#options;
    const common = { log, signal, ...(pause === undefined ? {} : { pause }) };
    await Promise.all([
      followObjects(cluster, {
        ...common,
        kind: KINDS.clusterImagePolicy,
        onSet: (objects) => {
          this.#takePolicies(objects);
        },
      }),
      followObjects(cluster, {
        ...common,
        kind: KINDS.configMap,
        selection: {
          namespace: MODES_CONFIG_MAP.namespace,
          fieldSelector: `metadata.name=${MODES_CONFIG_MAP.name}`,
        },
        onSet: (objects) => {
          this.#takeModes(objects.get(MODES_CONFIG_MAP.name));
        },
      }),
    ]);
  }

  /** True once both were read whole. */
  isSynced(): boolean {
    return this.#policies !== undefined && this.#modes !== undefined;
  }

  /** The policies of the cluster, sorted by name. */
  policies(): readonly ImagePolicy[] {
    return (this.#policies ?? []).map(({ policy }) => policy);
  }

  /** The mode of each namespace; enforced everywhere while that is not known. */
  modes(): NamespaceModes {
    return this.#modes ?? ENFORCE_EVERYWHERE;
  }

  /** What is wrong with what the cluster holds. */
  faults(): readonly string[] {
    const policies = (this.#policies ?? []).map(({ fault }) => fault);
    return [...policies, this.#modesFault, ...this.modes().faults].filter((fault) => fault !== undefined);
  }

  #takePolicies(objects: ReadonlyMap<string, KubeObject>): void {
    const byName = [...objects].sort(([a], [b]) => (a < b ? -1 : 1));
    this.#policies = byName.map(([, object]) => this.#parse(object));
    this.#options.onChange?.();
  }

  #parse(object: KubeObject): ParsedPolicy {
    const known = this.#parsed.get(object);
    if (known !== undefined) return known;
    const parsed = readPolicy(object);
    if (parsed.fault !== undefined) this.#options.log.error('a policy is invalid and refuses', { error: parsed.fault });
    this.#parsed.set(object, parsed);
    return parsed;
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

interface ParsedPolicy {
  readonly policy: ImagePolicy;
  readonly fault?: string;
}

/**
 * A policy as the cluster holds it. An invalid one (written while the webhook was not registered) can't be followed and
 * must not be forgotten: it refuses every image that its globs name, or all when these can't be read either.
 */
function readPolicy(object: KubeObject): ParsedPolicy {
  try {
    return { policy: parsePolicy(object) };
  } catch (error) {
    const fault = describeError(error);
    return { fault, policy: refusingPolicy(object, fault) };
  }
}

const globsSchema = z.object({ images: z.array(z.object({ glob: z.string() })).min(1) });

function refusingPolicy({ metadata: { name }, spec }: KubeObject, fault: string): ImagePolicy {
  const globs = globsSchema.safeParse(spec);
  const refuse = (images: readonly { glob: string }[]): ImagePolicy =>
    parsePolicy({
      apiVersion: KINDS.clusterImagePolicy.apiVersion,
      kind: KINDS.clusterImagePolicy.kind,
      metadata: { name },
      spec: { images, authorities: [{ name: 'invalid', static: { action: 'fail', message: fault.slice(0, 1000) } }] },
    });
  try {
    return refuse(globs.success ? globs.data.images.map(({ glob }) => ({ glob })) : EVERYTHING);
  } catch {
    return refuse(EVERYTHING);
  }
}

const EVERYTHING = [{ glob: '**' }];
