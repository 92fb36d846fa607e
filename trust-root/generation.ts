import path from 'node:path';

import type { Clock } from '../appliance/kernel/clock.ts';
import { type Floor, keptFromFloor } from './floor.ts';
import { type MetadataFiles, readBounded, readLabel, readMetadataFiles, rootsFrom } from './generation-files.ts';
import { assertClockAfter } from './time-floor.ts';
import { TrustRootError } from './trust-root-error.ts';
import type { ResolvedTarget } from './tuf-delegations.ts';
import { parseRoot } from './tuf-documents.ts';
import { signedBytes } from './tuf-signatures.ts';
import { assertMetaFile, TrustedSet } from './tuf-trusted-set.ts';

/** The paths of Sealift's folder on a node; agents write there, the webhook mounts it read-only. */
export interface NodePaths {
  readonly base: string;
  /** Root v1 that the node was given once. */
  readonly pinnedRoot: string;
  /** Symbolic link to the generation in use. */
  readonly current: string;
  readonly generations: string;
  /** Content-addressed evidence: `sha256/<hex>` below it. */
  readonly evidence: string;
  /** The signed documents seen last; see floor.ts. */
  readonly floor: string;
}

/** The paths below `base`, which is `/var/lib/sealift` on a node. */
export function nodePaths(base: string): NodePaths {
  return {
    base,
    pinnedRoot: path.join(base, 'root.json'),
    current: path.join(base, 'current'),
    generations: path.join(base, 'generations'),
    evidence: path.join(base, 'evidence'),
    floor: path.join(base, 'floor.json'),
  };
}

/** The versions of the metadata that a generation holds, by role name (`root`, `timestamp`, `snapshot`, `targets`, `upstream`, …). */
export type RoleVersions = Readonly<Record<string, number>>;

/** When a role's metadata expires. */
export interface RoleExpiry {
  readonly role: string;
  readonly expires: Date;
}

/**
 * A generation whose whole TUF chain was checked from the pinned root. Targets are checked against the chain's length
 * and hash each time they are read.
 */
export interface VerifiedGeneration {
  /** The TUF timestamp version of this state. */
  readonly number: number;
  readonly versions: RoleVersions;
  /** When the timestamp was signed, by the signer's clock (`x-sealift-signed-at`). */
  readonly signedAt: Date;
  /** The earliest expiry first. */
  readonly expiries: readonly RoleExpiry[];
  /** The names of all targets that the chain vouches for, sorted. */
  targetNames(): string[];
  /** The verified bytes of a target. @throws TrustRootError `TARGET_UNKNOWN`, `HASH_MISMATCH`, `GENERATION_INVALID`. */
  target(name: string): Promise<Buffer>;
  /** The `custom` object of a target; empty when it has none. @throws TrustRootError `TARGET_UNKNOWN`. */
  targetCustom(name: string): Readonly<Record<string, unknown>>;
}

/** What a generation is checked against. */
export interface VerifyGenerationOptions {
  /** The root that this node was given once. */
  readonly pinnedRoot: Buffer;
  readonly clock: Clock;
  /** What must not be gone below; see floor.ts. */
  readonly floor?: Floor | undefined;
  /** Milliseconds for which metadata other than root is still taken after its expiry, as a policy names them; 0 unless told. */
  readonly graceMs?: number;
}

/**
 * Checks a generation's whole TUF chain from the pinned root: every root, timestamp, snapshot and targets role, their
 * expiry, the floor and the clock. Where the folder lies proves nothing. A delegated role that has expired is listed in
 * `expiries`, and its targets are unknown.
 * @throws TrustRootError `PINNED_ROOT_DIFFERS`, `GENERATION_INVALID`, `GENERATION_BACKWARD`, `ROLE_EXPIRED`,
 * `CLOCK_BEFORE_FLOOR`, `SIGNATURES_BELOW_THRESHOLD`, `VERSION_ROLLBACK`, `HASH_MISMATCH`, …
 */
export async function verifyGeneration(folder: string, options: VerifyGenerationOptions): Promise<VerifiedGeneration> {
  const files = await readMetadataFiles(folder);
  const set = verifiedSet(files, options);
  const { timestamp } = set;
  if (timestamp?.signedAt === undefined) {
    throw new TrustRootError('GENERATION_INVALID', `${folder}: its timestamp does not tell when it was signed`);
  }
  const { number } = await readLabel(folder);
  if (number !== timestamp.version) {
    throw new TrustRootError(
      'GENERATION_INVALID',
      `${folder}: called ${number}, holds timestamp v${timestamp.version}`,
    );
  }
  return new FolderGeneration(folder, set, timestamp.signedAt);
}

function verifiedSet(
  files: MetadataFiles,
  { pinnedRoot, clock, floor, graceMs = 0 }: VerifyGenerationOptions,
): TrustedSet {
  const now = clock.now();
  const set = new TrustedSet(pinnedRoot, { now, strictKeyIds: true, graceMs });
  followRoots(set, files, floor);
  if (floor !== undefined) applyFloor(set, floor, now);
  set.assertRootCurrent();
  const timestamp = set.updateTimestamp(fileOf(files, 'timestamp.json'));
  assertClockAfter(timestamp.signedAt, now);
  set.updateSnapshot(fileOf(files, `${timestamp.snapshot.version}.snapshot.json`));
  const load = (role: string, delegator: string): void => {
    const name = `${set.metaOf(role).version}.${encodeURIComponent(role)}.json`;
    set.updateTargets(fileOf(files, name), { role, delegator });
  };
  load('targets', 'root');
  for (const { name } of set.targets.get('targets')?.delegations?.roles ?? []) {
    try {
      load(name, 'targets');
    } catch (error) {
      // One delegation left to expire must not take the others along; its own targets are not to be found then.
      if (!(error instanceof TrustRootError && error.code === 'ROLE_EXPIRED')) throw error;
    }
  }
  return set;
}

function followRoots(set: TrustedSet, files: MetadataFiles, floor: Floor | undefined): void {
  const pinned = set.root;
  const [first, ...later] = rootsFrom(files, pinned.version);
  if (first === undefined || !first.equals(pinned.bytes)) {
    throw new TrustRootError('PINNED_ROOT_DIFFERS', `root v${pinned.version} of the generation is not the pinned one`);
  }
  for (const root of later) set.updateRoot(root);
  const seen = floor?.roots.at(-1);
  const version = seen === undefined ? 0 : parseRoot(seen).version;
  if (version > set.root.version) {
    throw new TrustRootError('GENERATION_BACKWARD', `root v${set.root.version}, but v${version} was seen already`);
  }
  const same = files.get(`${version}.root.json`);
  if (seen !== undefined && same !== undefined && !signedBytes(parseRoot(same)).equals(signedBytes(parseRoot(seen)))) {
    throw new TrustRootError('GENERATION_BACKWARD', `root v${version} is another than the one seen before`);
  }
}

/** A floor whose keys a later root took away no longer counts: that is how a site recovers from stolen online keys (TUF 5.3.11). */
function applyFloor(set: TrustedSet, floor: Floor, now: Date): void {
  const { timeFloor } = keptFromFloor(floor);
  try {
    set.loadKeptTimestamp(floor.timestamp);
    set.loadKeptSnapshot(floor.snapshot);
  } catch (error) {
    if (error instanceof TrustRootError && error.code === 'SIGNATURES_BELOW_THRESHOLD') return;
    throw error;
  }
  assertClockAfter(timeFloor, now);
}

function fileOf(files: MetadataFiles, name: string): Buffer {
  const bytes = files.get(name);
  if (bytes === undefined) throw new TrustRootError('GENERATION_INVALID', `metadata/${name}: not in the generation`);
  return bytes;
}

class FolderGeneration implements VerifiedGeneration {
  readonly number: number;
  readonly versions: RoleVersions;
  readonly signedAt: Date;
  readonly expiries: readonly RoleExpiry[];
  readonly #folder: string;
  readonly #targets: ReadonlyMap<string, ResolvedTarget>;

  constructor(folder: string, set: TrustedSet, signedAt: Date) {
    const { version: number } = set.timestamp ?? { version: 0 };
    this.#folder = folder;
    this.number = number;
    this.signedAt = signedAt;
    this.versions = versionsOf(set);
    this.expiries = expiriesOf(set);
    this.#targets = new Map(set.allTargets().map((target) => [target.name, target]));
  }

  targetNames(): string[] {
    return [...this.#targets.keys()];
  }

  async target(name: string): Promise<Buffer> {
    const target = this.#known(name);
    const file = path.join(this.#folder, 'targets', targetFileName(target));
    const bytes = await readBounded(file, target.length);
    assertMetaFile(name, bytes, target);
    return bytes;
  }

  targetCustom(name: string): Readonly<Record<string, unknown>> {
    return this.#known(name).custom;
  }

  #known(name: string): ResolvedTarget {
    const target = this.#targets.get(name);
    if (target === undefined) throw new TrustRootError('TARGET_UNKNOWN', `the generation has no target ${name}`);
    return target;
  }
}

/** The name of a target's file in a generation: the hex of its sha256. @throws TrustRootError `METADATA_INVALID`. */
export function targetFileName({ name, hashes }: ResolvedTarget): string {
  const hex = hashes['sha256'];
  if (hex !== undefined && /^[0-9a-f]{64}$/.test(hex)) return hex;
  throw new TrustRootError('METADATA_INVALID', `${name}: no sha256 is given for it`);
}

/** The versions of all metadata in a trusted set, by role. */
export function versionsOf(set: TrustedSet): RoleVersions {
  const roles = [...set.expired, ...set.targets].map(([role, { version }]) => [role, version] as const);
  return {
    root: set.root.version,
    timestamp: set.timestamp?.version ?? 0,
    snapshot: set.snapshot?.version ?? 0,
    ...Object.fromEntries(roles),
  };
}

function expiriesOf(set: TrustedSet): RoleExpiry[] {
  const documents = [
    ['root', set.root] as const,
    ['timestamp', set.timestamp] as const,
    ['snapshot', set.snapshot] as const,
    ...set.expired,
    ...set.targets,
  ];
  return documents
    .flatMap(([role, document]) => (document === undefined ? [] : [{ role, expires: document.expires }]))
    .sort((a, b) => a.expires.getTime() - b.expires.getTime());
}
