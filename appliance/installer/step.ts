import type { ApplianceConfig } from '../config/schema.ts';
import type { Helm } from '../helm/helm.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Cluster } from '../kube/cluster.ts';
import type { InstallBundle } from './install-bundle.ts';
import type { KeyVault } from './key-vault.ts';
import type { ClusterFacts } from './observe.ts';

/** Everything that a step works with. */
export interface InstallWorld {
  readonly config: ApplianceConfig;
  readonly cluster: Cluster;
  readonly helm: Helm;
  readonly bundle: InstallBundle;
  /** The offline keys. */
  readonly vault: KeyVault;
  /** The cluster as it was when the run began. */
  readonly facts: ClusterFacts;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** How long a step waits for pods; 300 000 ms in production. */
  readonly readyTimeoutMs: number;
}

/** What a step found. */
export type Look =
  | { readonly done: true }
  | {
      readonly done: false;
      /** What is missing or different, in one line. */
      readonly missing: string;
    };

/** Told what happens inside a step. `keep`: people must still see it when the step is over. */
export type Tell = (line: string, keep?: boolean) => void;

/**
 * One part of an installation. The cluster says whether it is done; `act` may be killed at any instant and is then simply
 * run again.
 */
export interface Step {
  readonly id: string;
  /** What is true afterwards, for people. */
  readonly title: string;
  /** True when `act` may need the offline keys. */
  readonly needsKeys?: boolean;
  /** Whose pods to look at when it fails. */
  readonly pods?: { readonly namespace: string; readonly labelSelector: string };
  /** Looks; changes nothing. */
  look(world: InstallWorld): Promise<Look>;
  /** Does what is missing. */
  act(world: InstallWorld, tell: Tell): Promise<void>;
}

export const DONE: Look = { done: true };

/** A {@link Look} at something that is not there. */
export function missing(what: string): Look {
  return { done: false, missing: what };
}

/** Looks in order, and hands on the first that is not done. */
export async function firstMissing(looks: readonly (() => Promise<Look>)[]): Promise<Look> {
  for (const look of looks) {
    const found = await look();
    if (!found.done) return found;
  }
  return DONE;
}
