import { createHash } from 'node:crypto';

import { TrustRootError } from './trust-root-error.ts';
import {
  type DelegationEdge,
  delegatedKeys,
  type ResolvedTarget,
  type SearchOutcome,
  searchTarget,
} from './tuf-delegations.ts';
import {
  type MetaFile,
  parseRoot,
  parseSnapshot,
  parseTargets,
  parseTimestamp,
  type RootDocument,
  type SnapshotDocument,
  type TargetsDocument,
  type TimestampDocument,
  type TopLevelRole,
  type TufDocument,
} from './tuf-documents.ts';
import { assertSigned, type Delegator } from './tuf-signatures.ts';

/** How a {@link TrustedSet} judges. */
export interface TrustedSetOptions {
  /** TUF spec 5.1: the fixed time that every expiry is checked against. */
  readonly now: Date;
  /** Refuse keys whose id does not recompute; true for Sealift's own repositories. */
  readonly strictKeyIds: boolean;
  /** Milliseconds past expiry for which metadata other than root is still taken; 0 unless told. Never more than a policy names. */
  readonly graceMs?: number;
}

/**
 * The metadata that a client trusts, and the only way in for more: the checks of the TUF client workflow (spec §5), with
 * no input or output of its own. What fails a check is not taken; what was taken before stays.
 */
export class TrustedSet {
  readonly #options: TrustedSetOptions;
  #root: RootDocument;
  #timestamp: TimestampDocument | undefined;
  #snapshot: SnapshotDocument | undefined;
  #keptSnapshot: SnapshotDocument | undefined;
  readonly #targets = new Map<string, TargetsDocument>();
  readonly #expired = new Map<string, TargetsDocument>();
  readonly #edges = new Set<string>();

  /** TUF spec 5.2: the trusted root is given; it must at least be signed by its own keys. Its expiry does not matter yet. */
  constructor(trustedRoot: Buffer, options: TrustedSetOptions) {
    this.#options = options;
    this.#root = parseRoot(trustedRoot);
    this.#assertRole('root', this.#root, this.#root);
  }

  get root(): RootDocument {
    return this.#root;
  }
  get timestamp(): TimestampDocument | undefined {
    return this.#timestamp;
  }
  get snapshot(): SnapshotDocument | undefined {
    return this.#snapshot;
  }
  /** The loaded targets roles, by name. */
  get targets(): ReadonlyMap<string, TargetsDocument> {
    return this.#targets;
  }

  /** Targets roles that passed every check but their expiry; their targets are not to be found. */
  get expired(): ReadonlyMap<string, TargetsDocument> {
    return this.#expired;
  }

  /** Takes the next root (5.3.4 to 5.3.8). @throws TrustRootError `METADATA_INVALID`, `SIGNATURES_BELOW_THRESHOLD`, `VERSION_MISMATCH`. */
  updateRoot(bytes: Buffer): void {
    const next = parseRoot(bytes);
    // 5.3.4: a threshold of the old root's keys, and of its own.
    this.#assertRole('root', next, this.#root);
    // 5.3.5: exactly one version on.
    if (next.version !== this.#root.version + 1) {
      throw new TrustRootError(
        'VERSION_MISMATCH',
        `root: v${next.version} where v${this.#root.version + 1} must follow`,
      );
    }
    this.#assertRole('root', next, next);
    this.#root = next;
  }

  /** Ends the root's update (5.3.10). @throws TrustRootError `ROLE_EXPIRED`. */
  assertRootCurrent(): void {
    if (this.#options.now >= this.#root.expires) throw expired('root', this.#root);
  }

  /**
   * Takes a timestamp (5.4.2 to 5.4.4). One of the version that is trusted already changes nothing.
   * @throws TrustRootError `SIGNATURES_BELOW_THRESHOLD`, `VERSION_ROLLBACK`, `ROLE_EXPIRED`, `METADATA_INVALID`.
   */
  updateTimestamp(bytes: Buffer): TimestampDocument {
    this.assertRootCurrent();
    const next = this.#acceptTimestamp(bytes);
    this.#assertCurrent('timestamp', next);
    return next;
  }

  /** Takes what a client kept from its last update, for its versions only: it may have expired since. */
  loadKeptTimestamp(bytes: Buffer): void {
    this.#acceptTimestamp(bytes);
  }

  #acceptTimestamp(bytes: Buffer): TimestampDocument {
    const next = parseTimestamp(bytes);
    this.#assertRole('timestamp', next, this.#root);
    const trusted = this.#timestamp;
    if (trusted !== undefined) {
      // 5.4.3.1: no older timestamp; an equal one is dropped for the trusted one.
      if (next.version < trusted.version) throw rollback('timestamp', next.version, trusted.version);
      if (next.version === trusted.version) return trusted;
      // 5.4.3.2: nor one that leads to an older snapshot.
      if (next.snapshot.version < trusted.snapshot.version) {
        throw rollback('snapshot', next.snapshot.version, trusted.snapshot.version);
      }
    }
    this.#timestamp = next;
    return next;
  }

  /**
   * Takes the snapshot that the timestamp names (5.5.2 to 5.5.6).
   * @throws TrustRootError `HASH_MISMATCH`, `LENGTH_MISMATCH`, `SIGNATURES_BELOW_THRESHOLD`, `VERSION_MISMATCH`,
   * `VERSION_ROLLBACK`, `METADATA_MISSING`, `ROLE_EXPIRED`, `METADATA_INVALID`.
   */
  updateSnapshot(bytes: Buffer): SnapshotDocument {
    const { snapshot: meta } = this.#requireTimestamp();
    assertMetaFile('snapshot', bytes, meta);
    const next = parseSnapshot(bytes);
    this.#assertRole('snapshot', next, this.#root);
    // 5.5.4: the version that the timestamp names.
    if (next.version !== meta.version) throw mismatch('snapshot', next.version, meta.version);
    this.#assertNoRollback(next);
    this.#assertCurrent('snapshot', next);
    this.#snapshot = next;
    return next;
  }

  /** Takes what a client kept from its last update, for its versions only. */
  loadKeptSnapshot(bytes: Buffer): void {
    const kept = parseSnapshot(bytes);
    this.#assertRole('snapshot', kept, this.#root);
    this.#keptSnapshot = kept;
  }

  /** 5.5.5: no role leaves the snapshot or gets an older version in it. */
  #assertNoRollback(next: SnapshotDocument): void {
    const trusted = this.#snapshot ?? this.#keptSnapshot;
    for (const [file, { version }] of trusted?.meta ?? []) {
      const meta = next.meta.get(file);
      if (meta === undefined) throw new TrustRootError('METADATA_MISSING', `snapshot: ${file} is no longer in it`);
      if (meta.version < version) throw rollback(file.replace(/\.json$/, ''), meta.version, version);
    }
  }

  /**
   * Takes a targets role, top-level (`targets`, by `root`) or delegated (5.6.2 to 5.6.6).
   * @throws TrustRootError as {@link updateSnapshot}.
   */
  updateTargets(bytes: Buffer, edge: DelegationEdge): void {
    const meta = this.metaOf(edge.role);
    assertMetaFile(edge.role, bytes, meta);
    const next = parseTargets(bytes, edge.role);
    this.#assertDelegated(next, edge);
    if (next.version !== meta.version) throw mismatch(edge.role, next.version, meta.version);
    this.#expired.set(edge.role, next);
    this.#assertCurrent(edge.role, next);
    this.#expired.delete(edge.role);
    this.#targets.set(edge.role, next);
  }

  /** What the snapshot says of a targets role. @throws TrustRootError `METADATA_MISSING`. */
  metaOf(role: string): MetaFile {
    const meta = this.#snapshot?.meta.get(`${role}.json`);
    if (meta === undefined) throw new TrustRootError('METADATA_MISSING', `snapshot: it has no ${role}.json`);
    return meta;
  }

  /** Looks for a target among the loaded roles (5.6.7). */
  search(name: string): SearchOutcome {
    return searchTarget(name, (edge) => this.roleFor(edge));
  }

  /** Every target that a client finds in the loaded roles, sorted by name. What a role says outside of its delegation is not found. */
  allTargets(): ResolvedTarget[] {
    const names = new Set([...this.#targets.values()].flatMap(({ targets }) => [...targets.keys()]));
    return [...names].sort().flatMap((name) => {
      const outcome = this.search(name);
      return outcome.kind === 'found' ? [outcome.target] : [];
    });
  }

  /** A loaded role, checked to be signed as this delegator asks; `undefined` when it is not loaded. */
  roleFor(edge: DelegationEdge): TargetsDocument | undefined {
    const document = this.#targets.get(edge.role);
    // A role can be delegated to by several others, with other keys: having passed for one is not passing for all.
    if (document !== undefined && !this.#edges.has(edgeName(edge))) this.#assertDelegated(document, edge);
    return document;
  }

  #assertDelegated(document: TargetsDocument, edge: DelegationEdge): void {
    if (edge.delegator === 'root') this.#assertRole('targets', document, this.#root);
    else {
      const parent = this.#targets.get(edge.delegator);
      const keys = delegatedKeys(parent?.delegations, edge.role);
      if (parent?.delegations === undefined || keys === undefined) {
        throw new TrustRootError('METADATA_MISSING', `${edge.delegator}: it does not delegate to ${edge.role}`);
      }
      const delegator: Delegator = { name: `${edge.delegator} v${parent.version}`, keys: parent.delegations.keys };
      assertSigned(document, { delegator, role: keys, what: `${edge.role} v${document.version}` }, this.#options);
    }
    this.#edges.add(edgeName(edge));
  }

  #assertRole(role: TopLevelRole, document: TufDocument, root: RootDocument): void {
    const by = { delegator: { name: `root v${root.version}`, keys: root.keys }, role: root.roles[role] };
    assertSigned(document, { ...by, what: `${role} v${document.version}` }, this.#options);
  }

  #assertCurrent(role: string, document: TufDocument): void {
    if (this.#options.now.getTime() >= document.expires.getTime() + (this.#options.graceMs ?? 0)) {
      throw expired(role, document);
    }
  }

  #requireTimestamp(): TimestampDocument {
    if (this.#timestamp === undefined) throw new TrustRootError('METADATA_MISSING', 'no timestamp was taken yet');
    return this.#timestamp;
  }
}

function edgeName({ delegator, role }: DelegationEdge): string {
  return JSON.stringify([delegator, role]);
}

/** Checks bytes against the length and hashes that other metadata gives for them. @throws TrustRootError `LENGTH_MISMATCH`, `HASH_MISMATCH`. */
export function assertMetaFile(what: string, bytes: Buffer, meta: Omit<MetaFile, 'version'>): void {
  if (meta.length !== undefined && bytes.byteLength !== meta.length) {
    throw new TrustRootError('LENGTH_MISMATCH', `${what}: ${bytes.byteLength} bytes where ${meta.length} must be`);
  }
  for (const [algorithm, expected] of Object.entries(meta.hashes ?? {})) {
    if (algorithm !== 'sha256' && algorithm !== 'sha512') {
      throw new TrustRootError(
        'HASH_MISMATCH',
        `${what}: no check for hashes of kind ${JSON.stringify(algorithm.slice(0, 40))}`,
      );
    }
    const actual = createHash(algorithm).update(bytes).digest('hex');
    if (actual !== expected)
      throw new TrustRootError('HASH_MISMATCH', `${what}: ${algorithm} ${actual}, must be ${expected}`);
  }
}

function expired(role: string, { version, expires }: TufDocument): TrustRootError {
  return new TrustRootError('ROLE_EXPIRED', `${role} v${version} expired ${expires.toISOString()}`, {
    fix: role === 'root' ? 'publish a new root: sealift trust publish' : 'sign it anew: sealift trust refresh',
  });
}

function rollback(role: string, version: number, trusted: number): TrustRootError {
  return new TrustRootError('VERSION_ROLLBACK', `${role}: v${version} is older than the trusted v${trusted}`);
}

function mismatch(role: string, version: number, expected: number): TrustRootError {
  return new TrustRootError('VERSION_MISMATCH', `${role}: v${version} where v${expected} must be`);
}
