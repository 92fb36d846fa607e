import { TrustRootError } from './trust-root-error.ts';

/**
 * Where a TUF repository lies. Names are relative paths with `/`: `timestamp.json`, `3.root.json`, `7.snapshot.json`,
 * `targets/upstream/sigstore.dev/<sha256>.trusted_root.json`.
 *
 * Only `timestamp.json` and `root.json` (a copy of the newest `N.root.json`) are ever replaced; every other file is
 * immutable once it is there. So a reader, at any instant, follows `timestamp.json` to a state that is whole.
 */
export interface RepositoryStore {
  /** The names of all files, sorted. */
  list(): Promise<string[]>;
  /** The bytes of a file; `undefined` when it is not there. */
  read(name: string): Promise<Buffer | undefined>;
  /**
   * Puts `files` in: immutable ones first, `N.root.json` after those, then `root.json`, `timestamp.json` last. Files that
   * are there already with the same bytes are left alone.
   * @param expected the version of the `timestamp.json` that the new state was made from; `undefined`: none.
   * @throws TrustRootError `STORE_CONFLICT` when another timestamp version is there, or an immutable file with other
   * bytes; nothing that a reader follows has changed then. `NAME_INVALID` for a name that is no plain relative path.
   */
  publish(files: ReadonlyMap<string, Buffer>, expected: ExpectedState): Promise<void>;
  /**
   * Takes files away that nothing leads to any more; one that is not there is no error.
   * @throws TrustRootError `NAME_INVALID` for `timestamp.json` and every root: those stay for ever.
   */
  remove(names: readonly string[]): Promise<void>;
}

/** What a publisher found before it made the new state. */
export interface ExpectedState {
  readonly timestampVersion: number | undefined;
}

const NAME = /^(?!\.)[^/\\\0]+(?:\/(?!\.)[^/\\\0]+)*$/;
const MAX_NAME = 512;

/** Checks a file name of a repository. @throws TrustRootError `NAME_INVALID`. */
export function assertRepositoryName(name: string): void {
  if (name.length > MAX_NAME || !NAME.test(name)) {
    throw new TrustRootError('NAME_INVALID', `not a file name of a repository: ${JSON.stringify(name.slice(0, 200))}`);
  }
}

/** Refuses to take away what clients always need. @throws TrustRootError `NAME_INVALID`. */
export function assertRemovable(name: string): void {
  assertRepositoryName(name);
  if (isReplaceable(name) || /^\d+\.root\.json$/.test(name)) {
    throw new TrustRootError('NAME_INVALID', `${name}: is never removed from a repository`);
  }
}

/** True for the two files of a repository that are replaced by newer ones. */
export function isReplaceable(name: string): boolean {
  return name === 'timestamp.json' || name === 'root.json';
}

/**
 * The order in which files become visible: targets and snapshot, new roots, `root.json`, and `timestamp.json` last.
 * A root is followed by clients as soon as it is there (TUF 5.3), so all that it may lead to must be there before.
 */
export function publishingOrder(names: Iterable<string>): string[] {
  const rank = (name: string): number => {
    if (name === 'timestamp.json') return 3;
    if (name === 'root.json') return 2;
    return /^\d+\.root\.json$/.test(name) ? 1 : 0;
  };
  return [...names].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** The `version` in the bytes of a `timestamp.json`, unverified: good for noticing a change, for nothing else. */
export function timestampVersionIn(bytes: Buffer | undefined): number | undefined {
  if (bytes === undefined) return undefined;
  try {
    const document = JSON.parse(bytes.toString('utf8')) as { signed?: { version?: unknown } };
    const version = document.signed?.version;
    if (typeof version === 'number') return version;
  } catch (cause) {
    throw new TrustRootError('METADATA_INVALID', 'timestamp.json: not JSON', { cause });
  }
  throw new TrustRootError('METADATA_INVALID', 'timestamp.json: no version in it');
}

/** Refuses to publish over another state than the expected one. @throws TrustRootError `STORE_CONFLICT`. */
export function assertExpected(found: Buffer | undefined, expected: ExpectedState): void {
  const version = timestampVersionIn(found);
  if (version === expected.timestampVersion) return;
  const words = (value: number | undefined): string => (value === undefined ? 'no repository' : `timestamp v${value}`);
  throw new TrustRootError(
    'STORE_CONFLICT',
    `the repository changed: expected ${words(expected.timestampVersion)}, found ${words(version)}`,
    { fix: 'run the command again; it starts from what is there now' },
  );
}

/** The error for an immutable file that is there with other bytes. */
export function immutableConflict(name: string): TrustRootError {
  return new TrustRootError('STORE_CONFLICT', `${name}: already there with other bytes`, {
    fix: 'run the command again; it starts from what is there now',
  });
}

/**
 * The names of `files` that a store has yet to write: those that are not there, and replaceable ones with other bytes.
 * @throws TrustRootError `STORE_CONFLICT` for an immutable file that is there with other bytes.
 */
export async function filesNotYetThere(
  store: Pick<RepositoryStore, 'read'>,
  files: ReadonlyMap<string, Buffer>,
): Promise<string[]> {
  const missing: string[] = [];
  for (const [name, bytes] of files) {
    const present = await store.read(name);
    if (present?.equals(bytes) === true) continue;
    if (present !== undefined && !isReplaceable(name)) throw immutableConflict(name);
    missing.push(name);
  }
  return missing;
}
