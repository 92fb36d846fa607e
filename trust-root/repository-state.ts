import type { RepositoryStore } from './repository-store.ts';
import { TrustRootError } from './trust-root-error.ts';
import type { RootDocument, SnapshotDocument, TargetsDocument, TimestampDocument } from './tuf-documents.ts';
import { TrustedSet } from './tuf-trusted-set.ts';

/** A repository as its authors see it: every signature checked from root v1 on, expiry left aside. Never changed in place. */
export interface RepositoryState {
  /** Every root, v1 first. */
  readonly roots: readonly Buffer[];
  readonly root: RootDocument;
  readonly timestamp: TimestampDocument;
  readonly snapshot: SnapshotDocument;
  /** Targets roles by name: `targets`, `upstream`, `site-state`. */
  readonly roles: ReadonlyMap<string, TargetsDocument>;
  /** All file names in the store. */
  readonly names: readonly string[];
}

/**
 * Loads a repository and checks it, so that nothing is ever signed on top of what somebody else put there.
 * Expiry is no obstacle: an author must be able to sign expired metadata anew.
 * @param before a state that this one must not be older than.
 * @throws TrustRootError `REPOSITORY_MISSING`, or the check that failed.
 */
export async function loadRepository(store: RepositoryStore, before?: PreviousState): Promise<RepositoryState> {
  const names = await store.list();
  const roots = await readRoots(store);
  const set = trustedRoots(roots);
  if (before !== undefined) {
    unlessKeysWentAway(() => set.loadKeptTimestamp(before.timestamp.bytes));
    unlessKeysWentAway(() => set.loadKeptSnapshot(before.snapshot.bytes));
  }
  const timestamp = set.updateTimestamp(await required(store, 'timestamp.json'));
  const snapshot = set.updateSnapshot(await required(store, `${timestamp.snapshot.version}.snapshot.json`));
  const load = async (role: string, delegator: string): Promise<void> => {
    const name = `${set.metaOf(role).version}.${encodeURIComponent(role)}.json`;
    set.updateTargets(await required(store, name), { role, delegator });
  };
  await load('targets', 'root');
  for (const { name } of set.targets.get('targets')?.delegations?.roles ?? []) await load(name, 'targets');
  return { roots, root: set.root, timestamp, snapshot, roles: set.targets, names };
}

/** The state before, against which a rollback shows. */
export type PreviousState = Pick<RepositoryState, 'timestamp' | 'snapshot'>;

/** TUF 5.3.11: versions that were signed with keys that a later root took away bind nobody. */
function unlessKeysWentAway(load: () => void): void {
  try {
    load();
  } catch (error) {
    if (!(error instanceof TrustRootError && error.code === 'SIGNATURES_BELOW_THRESHOLD')) throw error;
  }
}

function trustedRoots([first, ...later]: readonly Buffer[]): TrustedSet {
  if (first === undefined) {
    throw new TrustRootError('REPOSITORY_MISSING', 'there is no repository: no 1.root.json', {
      fix: 'make one: sealift trust init',
    });
  }
  // The beginning of time: nothing has expired then.
  const set = new TrustedSet(first, { now: new Date(0), strictKeyIds: true });
  for (const root of later) set.updateRoot(root);
  return set;
}

async function readRoots(store: RepositoryStore): Promise<Buffer[]> {
  const roots: Buffer[] = [];
  for (;;) {
    const next = await store.read(`${roots.length + 1}.root.json`);
    if (next === undefined) return roots;
    roots.push(next);
  }
}

async function required(store: RepositoryStore, name: string): Promise<Buffer> {
  const bytes = await store.read(name);
  if (bytes === undefined) throw new TrustRootError('METADATA_MISSING', `${name}: not in the repository`);
  return bytes;
}

/** The loaded targets role `role`. @throws TrustRootError `METADATA_MISSING`. */
export function roleIn(state: RepositoryState, role: string): TargetsDocument {
  const document = state.roles.get(role);
  if (document === undefined) throw new TrustRootError('METADATA_MISSING', `the repository has no role ${role}`);
  return document;
}

/**
 * The version that new metadata of `role` gets: past the current one, and past any file that a run which broke off left
 * behind. Versions may have gaps (TUF spec 5.4.3, 5.5.4), immutable files may not be written twice.
 */
export function nextVersion(state: RepositoryState, role: string, current: number): number {
  const suffix = `.${encodeURIComponent(role)}.json`;
  const there = state.names
    .filter((name) => name.endsWith(suffix))
    .map((name) => Number(name.slice(0, -suffix.length)))
    .filter((version) => Number.isSafeInteger(version));
  return Math.max(current, ...there) + 1;
}
