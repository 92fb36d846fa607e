import { describeError } from '../kernel/coded-error.ts';
import type { Log } from '../kernel/log.ts';
import type { Cluster } from '../kube/cluster.ts';
import { KINDS, type KubeObject } from '../kube/kube-object.ts';
import { parseManagedKey } from '../verification/public-key.ts';
import {
  isPolicyKeysNamespace,
  POLICY_KEYS_NAMESPACE,
  type SecretKey,
  type SecretKeys,
} from '../verification/secret-keys.ts';
import { followObjects } from './followed-objects.ts';

const MAX_KEY_BYTES = 64 * 1024;

/** What {@link PolicyKeys} works with. */
export interface PolicyKeysOptions {
  readonly cluster: Cluster;
  readonly log: Log;
  /** Told after each change. */
  readonly onChange?: () => void;
  /** Waits between two tries of a watch. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
}

/**
 * The public keys that ClusterImagePolicies name by `key.secretRef`, as the cluster has them; the last known while it
 * can't be reached.
 */
export class PolicyKeys {
  readonly #options: PolicyKeysOptions;
  #keys: ReadonlyMap<string, SecretKey> | undefined;
  #fault: string | undefined;

  constructor(options: PolicyKeysOptions) {
    this.#options = options;
  }

  /** Follows them until the signal is aborted. */
  async follow(signal: AbortSignal): Promise<void> {
    const { cluster, log, pause, onChange } = this.#options;
    await followObjects(cluster, {
      kind: KINDS.secret,
      selection: { namespace: POLICY_KEYS_NAMESPACE },
      log,
      signal,
      ...(pause === undefined ? {} : { pause }),
      onSet: (secrets) => {
        this.#keys = new Map([...secrets].map(([name, secret]) => [name, keyIn(secret)]));
        this.#fault = undefined;
        onChange?.();
      },
      onFailure: (error) => {
        this.#fault = `Secrets of ${POLICY_KEYS_NAMESPACE} can't be read: ${describeError(error)}`;
        onChange?.();
      },
    });
  }

  /**
   * True once they were read, or refused: without the right to read them only the policies that need one fail, and the
   * webhook does not lock the cluster.
   */
  isSettled(): boolean {
    return this.#keys !== undefined || this.#fault !== undefined;
  }

  /** The keys as they are now; what changes later does not show in it. */
  lookup(): SecretKeys {
    const [keys, fault] = [this.#keys, this.#fault];
    return ({ name, namespace }) => {
      const full = `${POLICY_KEYS_NAMESPACE}/${name}`;
      if (!isPolicyKeysNamespace(namespace)) {
        return none(`the Secret ${namespace}/${name} is not read: keys of policies lie in ${POLICY_KEYS_NAMESPACE}`);
      }
      return keys?.get(name) ?? none(keys === undefined && fault !== undefined ? fault : `there is no Secret ${full}`);
    };
  }

  /** What is wrong with reading them. A Secret without a key is its own policies' matter, and told with their verdicts. */
  faults(): readonly string[] {
    return this.#fault === undefined ? [] : [this.#fault];
  }
}

/** Upstream's rule: a Secret with exactly one entry, whatever its name, which is a PEM public key. */
function keyIn({ metadata: { name }, data = {} }: KubeObject): SecretKey {
  const entries = Object.values(data);
  const full = `the Secret ${POLICY_KEYS_NAMESPACE}/${name}`;
  const [encoded] = entries;
  if (encoded === undefined || entries.length > 1) {
    return none(`${full} has ${entries.length} entries, and exactly one is taken: a PEM public key`);
  }
  if (encoded.length > MAX_KEY_BYTES) return none(`${full} is larger than ${MAX_KEY_BYTES} bytes`);
  const pem = Buffer.from(encoded, 'base64').toString('latin1');
  if (parseManagedKey(pem) !== undefined) return { kind: 'key', pem };
  return none(`${full} holds no PEM public key that can be used: ECDSA P-256/384/521, Ed25519 or RSA of 2048 bits`);
}

function none(why: string): SecretKey {
  return { kind: 'none', why };
}
