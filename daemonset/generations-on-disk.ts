import { readdir, readlink } from 'node:fs/promises';
import path from 'node:path';

import { replaceSymlink } from '../appliance/kernel/atomic-file.ts';
import type { Clock } from '../appliance/kernel/clock.ts';
import { readFloor } from '../trust-root/floor.ts';
import { currentGeneration, readPinnedRoot } from '../trust-root/follow.ts';
import { type NodePaths, type VerifiedGeneration, verifyGeneration } from '../trust-root/generation.ts';

/** What lies on a node, verified. */
export interface OnDisk {
  /** The generation in use; none when no generation verifies. */
  readonly generation?: VerifiedGeneration;
  /** Why the generation that was the current one is not used: foreign, altered, torn, expired or too old. */
  readonly fault?: unknown;
}

const FOLDER = /^\d{12,16}(?:-\d+)?$/;

/**
 * Verifies the current generation, metadata and every target. When it does not verify, `current` is led to the newest one
 * that does and is not below the floor: what the node has seen signed it never goes back behind, whatever lies on its disk.
 */
export async function generationOnDisk(paths: NodePaths, clock: Clock): Promise<OnDisk> {
  try {
    return { generation: await whole(await currentGeneration(paths, clock)) };
  } catch (fault) {
    const wasThere = (await linkOf(paths)) !== undefined;
    const generation = await newestGood(paths, clock).catch(() => undefined);
    if (generation !== undefined) return { generation, fault };
    // A node that never had one is not a node whose generation was damaged.
    return wasThere ? { fault } : {};
  }
}

/** Where `current` leads; `undefined` when it is not there. */
export async function linkOf(paths: NodePaths): Promise<string | undefined> {
  return await readlink(paths.current).catch(() => undefined);
}

async function newestGood(paths: NodePaths, clock: Clock): Promise<VerifiedGeneration | undefined> {
  const pinnedRoot = await readPinnedRoot(paths);
  const floor = await readFloor(paths.floor);
  const names = (await readdir(paths.generations)).filter((name) => FOLDER.test(name)).sort();
  for (const name of names.reverse()) {
    try {
      const folder = path.join(paths.generations, name);
      const generation = await whole(await verifyGeneration(folder, { pinnedRoot, clock, floor }));
      await replaceSymlink(paths.current, path.join('generations', name));
      return generation;
    } catch {
      // Not this one.
    }
  }
  return undefined;
}

async function whole(generation: VerifiedGeneration): Promise<VerifiedGeneration> {
  for (const name of generation.targetNames()) await generation.target(name);
  return generation;
}
