import { readFile, readlink } from 'node:fs/promises';
import path from 'node:path';

import { writeFileAtomic } from '../appliance/kernel/atomic-file.ts';
import type { Clock } from '../appliance/kernel/clock.ts';
import { type Floor, keptFromFloor, readFloor } from './floor.ts';
import { type NodePaths, type VerifiedGeneration, verifyGeneration } from './generation.ts';
import { type MetadataFiles, readMetadataFiles, rootsFrom } from './generation-files.ts';
import { settleGeneration, writeGeneration } from './generation-writer.ts';
import { TrustRootError } from './trust-root-error.ts';
import { type KeptMetadata, type TrustedMetadata, TufClient } from './tuf-client.ts';
import type { ResolvedTarget } from './tuf-delegations.ts';
import { parseRoot } from './tuf-documents.ts';
import type { TufTransport } from './tuf-transport.ts';
import { assertMetaFile, TrustedSet } from './tuf-trusted-set.ts';

/** A node that follows a repository. */
export interface FollowingNode {
  readonly paths: NodePaths;
  readonly transport: TufTransport;
  readonly clock: Clock;
}

/** How an update ended; when it could not, an error is thrown and the last good generation stays. */
export interface FollowOutcome {
  readonly kind: 'updated' | 'unchanged';
  readonly generation: VerifiedGeneration;
}

/**
 * Gives a node its root, once. The same again changes nothing.
 * @throws TrustRootError `PINNED_ROOT_DIFFERS` when it has another; `METADATA_INVALID`, `SIGNATURES_BELOW_THRESHOLD`.
 */
export async function pinRoot(paths: NodePaths, root: Buffer): Promise<void> {
  new TrustedSet(root, { now: new Date(0), strictKeyIds: true });
  const present = await readFile(paths.pinnedRoot).catch(() => undefined);
  if (present?.equals(root) === true) return;
  if (present !== undefined) {
    throw new TrustRootError('PINNED_ROOT_DIFFERS', `${paths.pinnedRoot}: this node was given another root before`, {
      fix: 'find out why; a new root comes through the repository, never by this way',
    });
  }
  await writeFileAtomic(paths.pinnedRoot, root);
}

/** The root that a node was given. @throws TrustRootError `METADATA_MISSING`. */
export async function readPinnedRoot(paths: NodePaths): Promise<Buffer> {
  return readFile(paths.pinnedRoot).catch((cause: unknown) => {
    throw new TrustRootError('METADATA_MISSING', `${paths.pinnedRoot}: this node has no root yet`, {
      cause,
      fix: 'sealift node prepare --root FILE',
    });
  });
}

/** The generation in use, verified against root, floor and clock. @throws TrustRootError `GENERATION_INVALID` when there is none; see verifyGeneration. */
export async function currentGeneration(paths: NodePaths, clock: Clock, graceMs = 0): Promise<VerifiedGeneration> {
  const pinnedRoot = await readPinnedRoot(paths);
  return verifyGeneration(await currentFolder(paths), {
    pinnedRoot,
    clock,
    graceMs,
    floor: await readFloor(paths.floor),
  });
}

/**
 * Brings a node up to the repository's state, and writes a new generation when that state is new or the current generation
 * is not whole.
 * @throws TrustRootError naming what was refused; the last good generation stays in use.
 */
export async function followRepository({ paths, transport, clock }: FollowingNode): Promise<FollowOutcome> {
  const pinnedRoot = await readPinnedRoot(paths);
  const floor = await readFloor(paths.floor);
  const files = await currentMetadata(paths);
  const kept = newestKept(pinnedRoot, floor, files);
  const client = new TufClient({ transport, clock, kept, strictKeyIds: true });
  await client.refresh();
  await client.loadAllRoles();
  const trusted = client.trusted();
  const current = await currentGeneration(paths, clock).catch(() => undefined);
  if (current !== undefined && holds(files, trusted) && (await isWhole(current))) {
    await settleGeneration(paths, { trusted, floor });
    return { kind: 'unchanged', generation: current };
  }
  const targetBytes = async (target: ResolvedTarget): Promise<Buffer> =>
    (await reused(current, target)) ?? client.download(target);
  const source = { trusted, pinnedRoot, floor, clock, targetBytes };
  return { kind: 'updated', generation: await writeGeneration(paths, source) };
}

async function currentFolder(paths: NodePaths): Promise<string> {
  const link = await readlink(paths.current).catch((cause: unknown) => {
    throw new TrustRootError('GENERATION_INVALID', `${paths.current}: this node has no generation yet`, { cause });
  });
  // Only a folder beside it: the link is no way to anywhere else.
  return path.join(paths.generations, path.basename(link));
}

async function currentMetadata(paths: NodePaths): Promise<MetadataFiles> {
  try {
    return await readMetadataFiles(await currentFolder(paths));
  } catch (error) {
    if (error instanceof TrustRootError) return new Map();
    throw error;
  }
}

/**
 * What the node has seen: the floor, or the current generation where that is newer (a crash can fall between the two) and
 * checks out. Both are checked from the pinned root; expiry is left aside, versions are what they are for.
 */
function newestKept(pinnedRoot: Buffer, floor: Floor | undefined, files: MetadataFiles): KeptMetadata {
  const roots = rootsFrom(files, parseRoot(pinnedRoot).version);
  const timestamp = files.get('timestamp.json');
  const candidates = [
    floor === undefined ? undefined : checked(pinnedRoot, keptFromFloor(floor)),
    timestamp === undefined ? undefined : checked(pinnedRoot, { roots, timestamp, snapshot: latestSnapshot(files) }),
  ].filter((candidate) => candidate !== undefined);
  if (floor !== undefined && candidates.length === 0) {
    throw new TrustRootError('FLOOR_INVALID', 'the floor does not check out from the pinned root', {
      fix: 'find out who changed it; only then remove the file',
    });
  }
  candidates.sort((a, b) => b.root - a.root || b.timestamp - a.timestamp);
  const targets = new Map(
    [...files].flatMap(([name, bytes]) => roleOfFile(name).map((role) => [role, bytes] as const)),
  );
  return { ...(candidates[0]?.kept ?? { roots: [pinnedRoot] }), targets };
}

interface Checked {
  readonly kept: KeptMetadata;
  readonly root: number;
  readonly timestamp: number;
}

function checked(pinnedRoot: Buffer, kept: KeptMetadata): Checked | undefined {
  try {
    const [first, ...later] = kept.roots;
    if (first === undefined || kept.timestamp === undefined || !first.equals(pinnedRoot)) return undefined;
    const set = new TrustedSet(first, { now: new Date(0), strictKeyIds: true });
    for (const root of later) set.updateRoot(root);
    const { version, signedAt } = set.updateTimestamp(kept.timestamp);
    return { kept: { ...kept, timeFloor: signedAt }, root: set.root.version, timestamp: version };
  } catch (error) {
    if (error instanceof TrustRootError) return undefined;
    throw error;
  }
}

function latestSnapshot(files: MetadataFiles): Buffer | undefined {
  return [...files].find(([name]) => /^\d+\.snapshot\.json$/.test(name))?.[1];
}

function roleOfFile(name: string): string[] {
  const role = /^\d+\.(.+)\.json$/.exec(name)?.[1];
  return role === undefined || role === 'root' || role === 'snapshot' ? [] : [decodeURIComponent(role)];
}

function holds(files: MetadataFiles, trusted: TrustedMetadata): boolean {
  const { root, timestamp } = trusted.set;
  return (
    files.get('timestamp.json')?.equals(timestamp?.bytes ?? Buffer.alloc(0)) === true &&
    files.has(`${root.version}.root.json`)
  );
}

/** True when every target is there and matches: a torn or altered one is written anew. */
async function isWhole(generation: VerifiedGeneration): Promise<boolean> {
  try {
    for (const name of generation.targetNames()) await generation.target(name);
    return true;
  } catch (error) {
    if (error instanceof TrustRootError) return false;
    throw error;
  }
}

/** The target's bytes from the current generation, where they are the same as the wanted ones. */
async function reused(current: VerifiedGeneration | undefined, target: ResolvedTarget): Promise<Buffer | undefined> {
  if (current === undefined) return undefined;
  try {
    const bytes = await current.target(target.name);
    assertMetaFile(target.name, bytes, target);
    return bytes;
  } catch (error) {
    if (error instanceof TrustRootError) return undefined;
    throw error;
  }
}
