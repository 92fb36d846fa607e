import { initialiseRepository, type RepositoryKeys, type RoleSigners } from '../../trust-root/initialise.ts';
import type { KeyAlgorithm } from '../../trust-root/keys.ts';
import { type PublishContext, type Published, publishTargets } from '../../trust-root/publish.ts';
import { renewRole } from '../../trust-root/renew.ts';
import type { RepositoryPolicy } from '../../trust-root/repository-policy.ts';
import { loadRepository, type RepositoryState, roleIn } from '../../trust-root/repository-state.ts';
import type { RepositoryStore } from '../../trust-root/repository-store.ts';
import type { TargetContent } from '../../trust-root/target-content.ts';
import { TrustRootError } from '../../trust-root/trust-root-error.ts';
import type { RoleKeys } from '../../trust-root/tuf-documents.ts';
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

/** A repository, and where its keys are. */
export interface SigningRequest {
  readonly store: RepositoryStore;
  readonly clock: Clock;
  readonly policy: RepositoryPolicy;
  readonly keyFolder: string;
  readonly onlineKeyFolder: string;
  readonly passphrase: string;
}

/** A change of the top-level targets. */
export interface PublishRequest extends SigningRequest {
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
  const role = { role: 'targets' as const, keys: state.root.roles.targets };
  const signers = await openOfflineKeys(keyFolder, role, passphrase);
  return publishTargets(context, state, { change: { set, remove }, signers });
}

/** Signs an offline role anew with the keys it has. @returns its new version. */
export async function renewTrust(request: SigningRequest, role: OfflineRole): Promise<number> {
  const { store, clock, policy, keyFolder, onlineKeyFolder, passphrase } = request;
  const context: PublishContext = { store, policy, clock, online: await readOnlineKeys(onlineKeyFolder) };
  const state = await loadRepository(store);
  const keys = keysOfRole(state, role);
  return renewRole(context, state, { role, signers: await openOfflineKeys(keyFolder, { role, keys }, passphrase) });
}

function keysOfRole(state: RepositoryState, role: OfflineRole): RoleKeys {
  if (role !== 'upstream') return state.root.roles[role];
  const delegated = roleIn(state, 'targets').delegations?.roles.find(({ name }) => name === role);
  if (delegated === undefined) throw new TrustRootError('METADATA_MISSING', `the repository has no role ${role}`);
  return delegated;
}
