import { createHash } from 'node:crypto';

import type { Clock } from '../appliance/kernel/clock.ts';
import { assertClockAfter, latest } from './time-floor.ts';
import { TrustRootError } from './trust-root-error.ts';
import type { DelegationEdge, ResolvedTarget } from './tuf-delegations.ts';
import { MAX_BYTES } from './tuf-documents.ts';
import type { TufTransport } from './tuf-transport.ts';
import { assertMetaFile, TrustedSet } from './tuf-trusted-set.ts';

/** Metadata that a client has trusted before. All of it is checked again; what no longer passes is not used. */
export interface KeptMetadata {
  /** Every root from the pinned one on, in order. */
  readonly roots: readonly Buffer[];
  readonly timestamp?: Buffer | undefined;
  readonly snapshot?: Buffer | undefined;
  /** Targets roles by name. */
  readonly targets?: ReadonlyMap<string, Buffer>;
  /** The latest time seen signed. */
  readonly timeFloor?: Date | undefined;
}

/** What a {@link TufClient} is made of. */
export interface TufClientOptions {
  readonly transport: TufTransport;
  readonly clock: Clock;
  readonly kept: KeptMetadata;
  /** True for Sealift's own repositories; see tuf-signatures.ts. */
  readonly strictKeyIds: boolean;
  readonly limits?: Partial<ClientLimits>;
}

/** Most that a client takes of a repository. */
export interface ClientLimits {
  /** New roots in one update (TUF spec 5.3.3). */
  readonly rootUpdates: number;
  /** Bytes of one target. */
  readonly targetBytes: number;
  /** Targets roles loaded. */
  readonly roles: number;
}

const DEFAULT_LIMITS: ClientLimits = { rootUpdates: 256, targetBytes: 64 * 1024 * 1024, roles: 64 };

/**
 * A TUF client: the update workflow of the specification (§5, version 1.0) over an injected clock and transport. It holds
 * its state in memory; who keeps it on disk writes {@link TufClient.trusted} whole or not at all.
 */
export class TufClient {
  readonly #transport: TufTransport;
  readonly #clock: Clock;
  readonly #kept: KeptMetadata;
  readonly #limits: ClientLimits;
  readonly #strictKeyIds: boolean;
  #set: TrustedSet | undefined;
  #roots: Buffer[] = [];
  #timeFloor: Date | undefined;

  constructor({ transport, clock, kept, strictKeyIds, limits }: TufClientOptions) {
    this.#transport = transport;
    this.#clock = clock;
    this.#kept = kept;
    this.#strictKeyIds = strictKeyIds;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
  }

  /**
   * Updates root, timestamp, snapshot and top-level targets (5.1 to 5.6).
   * @throws TrustRootError naming the check that failed; nothing that was kept is changed then.
   */
  async refresh(): Promise<void> {
    // 5.1: one time for the whole update.
    const now = this.#clock.now();
    const set = await this.#updateRoots(now);
    const keptTimestamp = loadKept(() => set.loadKeptTimestamp(this.#required(this.#kept.timestamp)));
    // The floor stands on the timestamp key: where a new root took that key away, its signed times go with it.
    const floorHolds = keptTimestamp || this.#kept.timestamp === undefined;
    this.#timeFloor = floorHolds ? this.#kept.timeFloor : undefined;
    assertClockAfter(this.#timeFloor, now);
    set.assertRootCurrent();
    // 5.4: the timestamp has no version in its name.
    set.updateTimestamp(await this.#metadata('timestamp.json', MAX_BYTES.timestamp));
    assertClockAfter(set.timestamp?.signedAt, now);
    await this.#updateSnapshot(set);
    await this.#loadTargets(set, { role: 'targets', delegator: 'root' });
    this.#set = set;
  }

  /** 5.2 and 5.3: from the pinned root through all kept ones to the newest that the repository has. */
  async #updateRoots(now: Date): Promise<TrustedSet> {
    const [pinned, ...later] = this.#kept.roots;
    if (pinned === undefined)
      throw new TrustRootError('METADATA_MISSING', 'a client starts from a trusted root; none was given');
    const set = new TrustedSet(pinned, { now, strictKeyIds: this.#strictKeyIds });
    this.#roots = [pinned];
    const take = (bytes: Buffer): void => {
      set.updateRoot(bytes);
      this.#roots.push(bytes);
    };
    later.forEach(take);
    for (let updates = 0; ; updates += 1) {
      // 5.3.3: the number of roots followed is bounded; 5.3.9: until there is no next one.
      const path = `${set.root.version + 1}.root.json`;
      const bytes = await this.#transport.fetch({ kind: 'metadata', path, maxBytes: MAX_BYTES.root });
      if (bytes === undefined) return set;
      if (updates >= this.#limits.rootUpdates) {
        throw new TrustRootError(
          'ROOT_CHAIN_TOO_LONG',
          `more than ${this.#limits.rootUpdates} new roots in one update`,
        );
      }
      take(bytes);
    }
  }

  async #updateSnapshot(set: TrustedSet): Promise<void> {
    const kept = this.#kept.snapshot;
    if (kept !== undefined) {
      loadKept(() => set.loadKeptSnapshot(kept));
      // 5.5.1 asks for a download; one that would bring the same bytes is saved: they pass the same checks.
      if (loadKept(() => set.updateSnapshot(kept))) return;
    }
    const meta = set.timestamp?.snapshot;
    const path = set.root.consistentSnapshot ? `${meta?.version ?? 0}.snapshot.json` : 'snapshot.json';
    set.updateSnapshot(await this.#metadata(path, meta?.length ?? MAX_BYTES.snapshot));
  }

  async #loadTargets(set: TrustedSet, edge: DelegationEdge): Promise<void> {
    const kept = this.#kept.targets?.get(edge.role);
    if (kept !== undefined && loadKept(() => set.updateTargets(kept, edge))) return;
    if (set.targets.size >= this.#limits.roles) {
      throw new TrustRootError('DELEGATIONS_TOO_MANY', `more than ${this.#limits.roles} targets roles`);
    }
    const meta = set.metaOf(edge.role);
    const path = set.root.consistentSnapshot ? `${meta.version}.${edge.role}.json` : `${edge.role}.json`;
    set.updateTargets(await this.#metadata(path, Math.min(meta.length ?? MAX_BYTES.targets, MAX_BYTES.targets)), edge);
  }

  /** Looks a target up, loading delegated roles as the search meets them (5.6.7, 5.7.1). `undefined`: there is none. */
  async findTarget(name: string): Promise<ResolvedTarget | undefined> {
    const set = this.#refreshed();
    for (;;) {
      const outcome = set.search(name);
      if (outcome.kind === 'found') return outcome.target;
      if (outcome.kind === 'absent') return undefined;
      await this.#loadTargets(set, outcome.edge);
    }
  }

  /**
   * Loads every targets role that can be reached by named delegations, breadth first. A delegated role that has expired
   * is kept aside, so that one delegation left alone (an upstream's, say) does not stop the others: see
   * {@link TrustedSet.expired}.
   */
  async loadAllRoles(): Promise<void> {
    const set = this.#refreshed();
    const queue = ['targets'];
    for (let delegator = queue.shift(); delegator !== undefined; delegator = queue.shift()) {
      for (const { name } of set.targets.get(delegator)?.delegations?.roles ?? []) {
        const edge = { role: name, delegator };
        if (set.roleFor(edge) !== undefined) continue;
        if (await this.#loadUnlessExpired(set, edge)) queue.push(name);
      }
    }
  }

  async #loadUnlessExpired(set: TrustedSet, edge: DelegationEdge): Promise<boolean> {
    try {
      await this.#loadTargets(set, edge);
      return true;
    } catch (error) {
      const bytes = set.expired.get(edge.role);
      if (bytes === undefined || !(error instanceof TrustRootError) || error.code !== 'ROLE_EXPIRED') throw error;
      return false;
    }
  }

  /** Fetches a target and checks its length and hashes (5.7.2 to 5.7.3). @throws TrustRootError `TARGET_UNKNOWN`, `HASH_MISMATCH`, … */
  async download(target: ResolvedTarget): Promise<Buffer> {
    if (target.length > this.#limits.targetBytes) {
      throw new TrustRootError(
        'LENGTH_MISMATCH',
        `${target.name}: ${target.length} bytes, at most ${this.#limits.targetBytes} are taken`,
      );
    }
    const path = this.#refreshed().root.consistentSnapshot ? consistentName(target) : target.name;
    const bytes = await this.#transport.fetch({ kind: 'target', path, maxBytes: target.length });
    if (bytes === undefined)
      throw new TrustRootError('TARGET_UNKNOWN', `${target.name}: listed, but not in the repository`);
    assertMetaFile(target.name, bytes, target);
    return bytes;
  }

  /** The metadata trusted after {@link refresh}. Timestamps without a signed time leave the floor where it was. */
  trusted(): TrustedMetadata {
    const set = this.#refreshed();
    const { timestamp, snapshot } = set;
    return {
      roots: this.#roots,
      timestamp: this.#required(timestamp?.bytes),
      snapshot: this.#required(snapshot?.bytes),
      targets: new Map([...set.expired, ...set.targets].map(([role, { bytes }]) => [role, bytes])),
      timeFloor: latest(this.#timeFloor, timestamp?.signedAt),
      set,
    };
  }

  async #metadata(path: string, maxBytes: number): Promise<Buffer> {
    const bytes = await this.#transport.fetch({ kind: 'metadata', path, maxBytes });
    if (bytes === undefined) throw new TrustRootError('METADATA_MISSING', `${path}: not in the repository`);
    return bytes;
  }

  #refreshed(): TrustedSet {
    if (this.#set === undefined) throw new TrustRootError('METADATA_MISSING', 'the client was not refreshed yet');
    return this.#set;
  }

  #required(bytes: Buffer | undefined): Buffer {
    if (bytes === undefined) throw new TrustRootError('METADATA_MISSING', 'nothing was kept');
    return bytes;
  }
}

/** What a client trusts after an update. */
export interface TrustedMetadata extends KeptMetadata {
  readonly timestamp: Buffer;
  readonly snapshot: Buffer;
  readonly targets: ReadonlyMap<string, Buffer>;
  readonly set: TrustedSet;
}

/** True when kept metadata passed. A refusal is no error here: it is out of date, and fresh metadata is fetched. */
function loadKept(load: () => void): boolean {
  try {
    load();
    return true;
  } catch (error) {
    if (error instanceof TrustRootError) return false;
    throw error;
  }
}

/** `dir/<hash>.name` (TUF spec §6.1). */
export function consistentName({ name, hashes }: Pick<ResolvedTarget, 'name' | 'hashes'>): string {
  const hash = hashes['sha256'] ?? Object.values(hashes)[0] ?? '';
  const slash = name.lastIndexOf('/') + 1;
  return `${name.slice(0, slash)}${hash}.${name.slice(slash)}`;
}

/** Hex sha256 of bytes. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
