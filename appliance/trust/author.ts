import { initialiseRepository, type RepositoryKeys, type RoleSigners } from '../../trust-root/initialise.ts';
import type { KeyAlgorithm } from '../../trust-root/keys.ts';
import { type PublishContext, type Published, publishTargets } from '../../trust-root/publish.ts';
import type { RepositoryPolicy } from '../../trust-root/repository-policy.ts';
import { loadRepository } from '../../trust-root/repository-state.ts';
import type { RepositoryStore } from '../../trust-root/repository-store.ts';
import type { TargetContent } from '../../trust-root/target-content.ts';
import { TrustRootError } from '../../trust-root/trust-root-error.ts';
import type { Clock } from '../kernel/clock.ts';
import { makeOfflineKeys, makeOnlineKeys, type OfflineRole, openOfflineKeys, readOnlineKeys } from './key-folder.ts';

/** How many keys a role gets, and how many must sign. */
export interface KeyCount {
  readonly keys: number;
  readonly threshold: number;
}

/** Reads `M-of-N`, e.g. `2-of-3`. @throws TrustRootError `CONFIG_INVALID`. */
export function parseKeyCount(text: string): KeyCount {
  const [, threshold, keys] = /^([1-9])-of-([1-9])$/.exec(text) ?? [];
  const count = { keys: Number(keys), threshold: Number(threshold) };
  if (keys === undefined || count.threshold > count.keys) {
    throw new TrustRootError('CONFIG_INVALID', `${JSON.stringify(text)}: not M-of-N with M at most N, as in 2-of-3`);
  }
  return count;
}

/** What a repository is made of. */
export interface InitRequest {
  readonly store: RepositoryStore;
  readonly clock: Clock;
  readonly policy: RepositoryPolicy;
  readonly keyFolder: string;
  readonly onlineKeyFolder: string;
  readonly passphrase: string;
  readonly algorithm: KeyAlgorithm;
  readonly counts: Readonly<Record<OfflineRole, KeyCount>>;
  readonly targets: ReadonlyMap<string, TargetContent>;
}

/** Makes all keys and a repository. @returns root v1. */
export async function initTrust(request: InitRequest): Promise<Buffer> {
  const { store, clock, policy, keyFolder, onlineKeyFolder, passphrase, algorithm, counts, targets } = request;
  // Keys are never left behind for a repository that can't be made.
  if ((await store.read('1.root.json')) !== undefined) {
    throw new TrustRootError(
      'REPOSITORY_EXISTS',
      'there is a repository already; it is never made anew over its clients',
    );
  }
  const offline = async (role: OfflineRole): Promise<RoleSigners> => {
    const { keys, threshold } = counts[role];
    return { signers: await makeOfflineKeys(keyFolder, { role, count: keys, algorithm }, passphrase), threshold };
  };
  const [root, top, upstream] = [await offline('root'), await offline('targets'), await offline('upstream')];
  const { snapshot, timestamp, 'site-state': siteState } = await makeOnlineKeys(onlineKeyFolder, algorithm);
  const keys: RepositoryKeys = { root, targets: top, upstream, snapshot, timestamp, siteState };
  return initialiseRepository(store, { keys, policy, clock, targets });
}

/** A change of the top-level targets, and where the keys are. */
export interface PublishRequest {
  readonly store: RepositoryStore;
  readonly clock: Clock;
  readonly policy: RepositoryPolicy;
  readonly keyFolder: string;
  readonly onlineKeyFolder: string;
  readonly passphrase: string;
  readonly set: ReadonlyMap<string, TargetContent>;
  readonly remove: ReadonlySet<string>;
}

/** Publishes top-level targets with the offline keys. */
export async function publishTrust(request: PublishRequest): Promise<Published> {
  const { store, clock, policy, keyFolder, onlineKeyFolder, passphrase, set, remove } = request;
  const context: PublishContext = {
    store,
    policy,
    clock,
    online: await readOnlineKeys(onlineKeyFolder),
  };
  const state = await loadRepository(store);
  const count = state.root.roles.targets.threshold;
  const signers = await openOfflineKeys(keyFolder, { role: 'targets', count }, passphrase);
  return publishTargets(context, state, { change: { set, remove }, signers });
}
