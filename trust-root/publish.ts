import type { Clock } from '../appliance/kernel/clock.ts';
import {
  type DelegationSetup,
  type RoleKeySet,
  writeSnapshot,
  writeTargets,
  writeTimestamp,
} from './metadata-writer.ts';
import { expiryFrom, type RepositoryPolicy } from './repository-policy.ts';
import { loadRepository, nextVersion, type RepositoryState, roleIn } from './repository-state.ts';
import type { RepositoryStore } from './repository-store.ts';
import { MemoryRepositoryStore } from './repository-store-memory.ts';
import type { Signer } from './signer.ts';
import { assertTargetName, type TargetContent, targetFileNames } from './target-content.ts';
import { assertClockAfter } from './time-floor.ts';
import { TrustRootError } from './trust-root-error.ts';
import { matchesPathPattern } from './tuf-delegations.ts';
import type { RoleKeys, TargetFile, TufKey } from './tuf-documents.ts';

/** The keys that the cluster holds; several for one role while it is rotated. */
export interface OnlineSigners {
  readonly snapshot: Signer | readonly Signer[];
  readonly timestamp: Signer | readonly Signer[];
}

/** What every change of a repository needs. */
export interface PublishContext {
  readonly store: RepositoryStore;
  readonly policy: RepositoryPolicy;
  readonly clock: Clock;
  readonly online: OnlineSigners;
}

/** New metadata and target files that a change brings, before snapshot and timestamp. */
export interface Draft {
  /** New targets roles, by name. */
  readonly roles: ReadonlyMap<string, { readonly version: number; readonly bytes: Buffer }>;
  /** Target files by store name. */
  readonly files: ReadonlyMap<string, Buffer>;
}

/** What a publication made. */
export interface Published {
  readonly timestampVersion: number;
  readonly snapshotVersion: number;
  /** The roles signed anew. */
  readonly roles: readonly string[];
}

/**
 * Publishes a draft: targets, then snapshot, then timestamp. Before anything is written, the result is checked as a
 * client does, from root v1 and from the state before.
 * @throws TrustRootError `STORE_CONFLICT` when another publisher was faster; `CLOCK_BEFORE_FLOOR`; what the client refused.
 */
export async function publishDraft(context: PublishContext, state: RepositoryState, draft: Draft): Promise<Published> {
  const { policy, clock, online, store } = context;
  const now = clock.now();
  assertClockAfter(state.timestamp.signedAt, now);
  const files = new Map(draft.files);
  for (const [role, { version, bytes }] of draft.roles) files.set(`${version}.${encodeURIComponent(role)}.json`, bytes);
  const snapshotVersion = nextVersion(state, 'snapshot', state.snapshot.version);
  const current = [...state.roles].map(([role, { version, bytes }]) => [role, { version, bytes }] as const);
  const snapshot = await writeSnapshot(
    { version: snapshotVersion, expires: expiryFrom(now, policy.snapshot.expiryDays) },
    new Map([...current, ...draft.roles]),
    [online.snapshot].flat(),
  );
  files.set(`${snapshotVersion}.snapshot.json`, snapshot);
  const published = { timestampVersion: state.timestamp.version + 1, snapshotVersion };
  files.set('timestamp.json', await signTimestamp(context, published, snapshot));
  await assertFollowable(state, files);
  await store.publish(files, { timestampVersion: state.timestamp.version });
  return { ...published, roles: [...draft.roles.keys(), 'snapshot', 'timestamp'] };
}

/** Signs a new timestamp over `snapshot`. */
export function signTimestamp(
  { policy, clock, online }: PublishContext,
  { timestampVersion, snapshotVersion }: { timestampVersion: number; snapshotVersion: number },
  snapshot: Buffer,
): Promise<Buffer> {
  const now = clock.now();
  const expires = expiryFrom(now, policy.timestamp.expiryDays);
  const edition = { version: timestampVersion, expires, signedAt: now };
  return writeTimestamp(edition, { version: snapshotVersion, bytes: snapshot }, [online.timestamp].flat());
}

/** Checks what is about to be published as a client that knows the state before does, from root v1; expiry left aside. */
export async function assertFollowable(state: RepositoryState, files: ReadonlyMap<string, Buffer>): Promise<void> {
  const before = new Map<string, Buffer>();
  state.roots.forEach((root, index) => before.set(`${index + 1}.root.json`, root));
  before.set(`${state.snapshot.version}.snapshot.json`, state.snapshot.bytes);
  for (const [role, { version, bytes }] of state.roles)
    before.set(`${version}.${encodeURIComponent(role)}.json`, bytes);
  await loadRepository(new MemoryRepositoryStore(new Map([...before, ...files])), state);
}

/** A change of a role's targets: what to add or replace, and what to take away. */
export interface TargetsChange {
  readonly set?: ReadonlyMap<string, TargetContent>;
  readonly remove?: ReadonlySet<string>;
}

/**
 * Publishes top-level targets: signs `targets` with the offline keys, then snapshot and timestamp.
 * @throws TrustRootError `NAME_INVALID` for a target that a delegation speaks for; see {@link publishDraft}.
 */
export async function publishTargets(
  context: PublishContext,
  state: RepositoryState,
  { change, signers }: { change: TargetsChange; signers: readonly Signer[] },
): Promise<Published> {
  const roles = roleIn(state, 'targets').delegations?.roles ?? [];
  for (const name of change.set?.keys() ?? []) {
    if (roles.some(({ paths }) => paths?.some((pattern) => matchesPathPattern(name, pattern)))) {
      throw new TrustRootError('NAME_INVALID', `${name}: a delegated role speaks for this target`);
    }
  }
  return publishDraft(context, state, await draftRole(context, state, { role: 'targets', change, signers }));
}

/** A change of one targets role, and who signs it. */
export interface RoleChange {
  readonly role: 'targets' | 'upstream' | 'site-state';
  readonly change: TargetsChange;
  readonly signers: readonly Signer[];
}

/** New metadata of one targets role; its delegations stay. */
export async function draftRole(
  { clock, policy }: Pick<PublishContext, 'clock' | 'policy'>,
  state: RepositoryState,
  { role, change, signers }: RoleChange,
): Promise<Draft> {
  const current = roleIn(state, role);
  const version = nextVersion(state, role, current.version);
  const expires = expiryFrom(clock.now(), policy[role].expiryDays);
  const targets = changedTargets(current.targets, change);
  const delegations = delegationsOf(state, role);
  const content = { targets, ...(delegations.length === 0 ? {} : { delegations }) };
  const bytes = await writeTargets({ version, expires }, content, signers);
  return { roles: new Map([[role, { version, bytes }]]), files: new Map(targetFileNames(change.set ?? new Map())) };
}

function changedTargets(
  current: ReadonlyMap<string, TargetFile>,
  { set, remove }: TargetsChange,
): Map<string, TargetFile> {
  const targets = new Map(current);
  for (const name of remove ?? []) targets.delete(name);
  for (const [name, { file }] of set ?? []) {
    assertTargetName(name);
    targets.set(name, file);
  }
  return targets;
}

function delegationsOf(state: RepositoryState, role: string): DelegationSetup[] {
  const delegations = roleIn(state, role).delegations;
  if (delegations === undefined) return [];
  return delegations.roles.map((delegated) => ({
    name: delegated.name,
    paths: delegated.paths ?? [],
    terminating: delegated.terminating,
    ...keySetOf(delegated, delegations.keys),
  }));
}

/** The keys of a role out of the table that names them. */
export function keySetOf({ keyIds, threshold }: RoleKeys, table: ReadonlyMap<string, TufKey>): RoleKeySet {
  const keys = keyIds.map((id) => table.get(id)).filter((key): key is TufKey => key !== undefined);
  return { keys, threshold };
}
