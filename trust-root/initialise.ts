import type { Clock } from '../appliance/kernel/clock.ts';
import {
  type DelegationSetup,
  type RoleKeySet,
  writeRoot,
  writeSnapshot,
  writeTargets,
  writeTimestamp,
} from './metadata-writer.ts';
import { expiryFrom, type RepositoryPolicy, type SiteRole } from './repository-policy.ts';
import type { RepositoryStore } from './repository-store.ts';
import type { Signer } from './signer.ts';
import { type TargetContent, targetFileNames } from './target-content.ts';
import { TrustRootError } from './trust-root-error.ts';
import type { TufKey } from './tuf-documents.ts';
import { keyIdOf } from './tuf-signatures.ts';

/** The signers of an offline role and how many of them clients ask for. */
export interface RoleSigners {
  readonly signers: readonly Signer[];
  readonly threshold: number;
}

/** The keys of a new repository. */
export interface RepositoryKeys {
  readonly root: RoleSigners;
  readonly targets: RoleSigners;
  readonly upstream: RoleSigners;
  readonly snapshot: Signer;
  readonly timestamp: Signer;
  readonly siteState: Signer;
}

/** What {@link initialiseRepository} makes a repository of. */
export interface RepositorySetup {
  readonly keys: RepositoryKeys;
  readonly policy: RepositoryPolicy;
  readonly clock: Clock;
  /** The first top-level targets. */
  readonly targets?: ReadonlyMap<string, TargetContent>;
}

/** The delegations of every site repository, in the order that clients search them (design, contracts). */
export function siteDelegations(upstream: RoleKeySet, siteState: RoleKeySet): DelegationSetup[] {
  return [
    // Terminating: nothing behind it, and nobody but its keys, ever speaks for an upstream's trust.
    { name: 'upstream', paths: ['upstream/*/*'], terminating: true, ...upstream },
    { name: 'site-state', paths: ['site-state/*'], terminating: false, ...siteState },
  ];
}

/**
 * Makes a repository: all roles at version 1, consistent snapshots, published at once.
 * @returns root v1, which nodes are given once.
 * @throws TrustRootError `REPOSITORY_EXISTS`; `AUTHORING_REFUSED` for a threshold or keys that are no good.
 */
export async function initialiseRepository(store: RepositoryStore, setup: RepositorySetup): Promise<Buffer> {
  const { keys, policy, clock } = setup;
  if ((await store.read('1.root.json')) !== undefined) {
    throw new TrustRootError(
      'REPOSITORY_EXISTS',
      'there is a repository already; it is never made anew over its clients',
    );
  }
  const sets = roleKeySets(keys);
  assertKeySets(sets);
  const now = clock.now();
  const edition = (role: SiteRole) => ({ version: 1, expires: expiryFrom(now, policy[role].expiryDays) });
  const content = setup.targets ?? new Map<string, TargetContent>();
  const delegations = siteDelegations(sets.upstream, sets['site-state']);
  const described = new Map([...content].map(([name, { file }]) => [name, file]));
  const root = await writeRoot(edition('root'), sets, keys.root.signers);
  const roles = new Map([
    ['targets', await writeTargets(edition('targets'), { targets: described, delegations }, keys.targets.signers)],
    ['upstream', await writeTargets(edition('upstream'), { targets: new Map() }, keys.upstream.signers)],
    ['site-state', await writeTargets(edition('site-state'), { targets: new Map() }, [keys.siteState])],
  ]);
  const sized = new Map([...roles].map(([role, bytes]) => [role, { version: 1, bytes }]));
  const snapshot = await writeSnapshot(edition('snapshot'), sized, [keys.snapshot]);
  const stamp = { ...edition('timestamp'), signedAt: now };
  const timestamp = await writeTimestamp(stamp, { version: 1, bytes: snapshot }, [keys.timestamp]);
  const files = new Map<string, Buffer>([
    ['1.root.json', root],
    ['root.json', root],
    ['1.snapshot.json', snapshot],
    ['timestamp.json', timestamp],
    ...[...roles].map(([role, bytes]): [string, Buffer] => [`1.${role}.json`, bytes]),
    ...targetFileNames(content),
  ]);
  await store.publish(files, { timestampVersion: undefined });
  return root;
}

/** The public keys and thresholds of all roles. */
export function roleKeySets(keys: RepositoryKeys): Record<SiteRole, RoleKeySet> {
  const set = ({ signers, threshold }: RoleSigners): RoleKeySet => ({ keys: signers.map(({ key }) => key), threshold });
  const single = (signer: Signer): RoleKeySet => ({ keys: [signer.key], threshold: 1 });
  return {
    root: set(keys.root),
    targets: set(keys.targets),
    upstream: set(keys.upstream),
    snapshot: single(keys.snapshot),
    timestamp: single(keys.timestamp),
    'site-state': single(keys.siteState),
  };
}

/**
 * Checks the keys of all roles: a threshold of at least one and at most the number of keys, and no key in two roles, so
 * that a stolen one opens one role only. @throws TrustRootError `AUTHORING_REFUSED`.
 */
export function assertKeySets(sets: Readonly<Record<string, RoleKeySet>>): void {
  const holders = new Map<string, string>();
  for (const [role, { keys, threshold }] of Object.entries(sets)) {
    if (!Number.isSafeInteger(threshold) || threshold < 1 || threshold > keys.length) {
      throw refused(`${role}: a threshold of ${threshold} with ${keys.length} keys`);
    }
    for (const id of keys.map((key: TufKey) => keyIdOf(key))) {
      const holder = holders.get(id);
      if (holder === role) throw refused(`${role}: the key ${id} is there twice`);
      if (holder !== undefined) throw refused(`the key ${id} is in two roles, ${holder} and ${role}`);
      holders.set(id, role);
    }
  }
}

function refused(reason: string): TrustRootError {
  return new TrustRootError('AUTHORING_REFUSED', reason, { fix: 'give each role keys of its own' });
}
