import path from 'node:path';

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
