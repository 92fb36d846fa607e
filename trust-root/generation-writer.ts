import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readlink, rename, rm } from 'node:fs/promises';
import path from 'node:path';

import { replaceSymlink, syncDirectory } from '../appliance/kernel/atomic-file.ts';
import type { Clock } from '../appliance/kernel/clock.ts';
import { type Floor, writeFloor } from './floor.ts';
import { type NodePaths, targetFileName, type VerifiedGeneration, verifyGeneration, versionsOf } from './generation.ts';
import { TrustRootError } from './trust-root-error.ts';
import type { TrustedMetadata } from './tuf-client.ts';
import type { ResolvedTarget } from './tuf-delegations.ts';

/** What a generation is written from. */
export interface GenerationSource {
  readonly trusted: TrustedMetadata;
  readonly pinnedRoot: Buffer;
  readonly floor: Floor | undefined;
  readonly clock: Clock;
  /** The verified bytes of a target. */
  readonly targetBytes: (target: ResolvedTarget) => Promise<Buffer>;
}

const KEPT_GENERATIONS = 3;

/**
 * Writes a complete generation and makes it the current one: temporary folder, fsync, read back and verified, renamed,
 * link swapped, floor raised, old ones removed. After a crash at any instant `current` is the old generation or the new.
 * @throws TrustRootError `STORE_FAILED` (disk full, …) or what verification found; `current` is as it was then.
 */
export async function writeGeneration(paths: NodePaths, source: GenerationSource): Promise<VerifiedGeneration> {
  const temporary = path.join(paths.generations, `.tmp-${randomBytes(6).toString('hex')}`);
  let folder: string;
  try {
    await writeFolder(temporary, source);
    const { pinnedRoot, floor, clock } = source;
    const written = await verifyGeneration(temporary, { pinnedRoot, floor, clock });
    for (const name of written.targetNames()) await written.target(name);
    folder = await putInPlace(paths, temporary, source);
    await replaceSymlink(paths.current, path.join('generations', path.basename(folder)));
    await settleGeneration(paths, source);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true });
    if (cause instanceof TrustRootError) throw cause;
    throw new TrustRootError('STORE_FAILED', `${paths.generations}: the new generation could not be written`, {
      cause,
    });
  }
  const { pinnedRoot, clock } = source;
  return verifyGeneration(folder, { pinnedRoot, clock });
}

async function writeFolder(folder: string, { trusted, clock, targetBytes }: GenerationSource): Promise<void> {
  const { set } = trusted;
  const metadata = new Map<string, Buffer>();
  const firstRoot = set.root.version - trusted.roots.length + 1;
  trusted.roots.forEach((root, index) => metadata.set(`${firstRoot + index}.root.json`, root));
  metadata.set('timestamp.json', trusted.timestamp);
  metadata.set(`${set.snapshot?.version ?? 0}.snapshot.json`, trusted.snapshot);
  for (const [role, bytes] of trusted.targets)
    metadata.set(`${set.metaOf(role).version}.${encodeURIComponent(role)}.json`, bytes);
  const targets = set.allTargets();
  const label = {
    schemaVersion: 1,
    number: set.timestamp?.version ?? 0,
    writtenAt: clock.now().toISOString(),
    versions: versionsOf(set),
  };
  await mkdir(path.join(folder, 'metadata'), { recursive: true });
  await mkdir(path.join(folder, 'targets'));
  for (const [name, bytes] of metadata) await writeNew(path.join(folder, 'metadata', name), bytes);
  const written = new Set<string>();
  for (const target of targets) {
    const name = targetFileName(target);
    if (!written.has(name)) await writeNew(path.join(folder, 'targets', name), await targetBytes(target));
    written.add(name);
  }
  await writeNew(path.join(folder, 'generation.json'), Buffer.from(`${JSON.stringify(label, undefined, 2)}\n`));
  for (const part of ['metadata', 'targets', '.']) await syncDirectory(path.join(folder, part));
}

async function writeNew(file: string, bytes: Buffer): Promise<void> {
  const handle = await open(file, 'wx', 0o644);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Gives the folder its name: the timestamp's version in twelve digits. A folder of that name that never became current,
 * since a run broke off, makes way. The current one does not: it is written anew when it is damaged, or when versions start
 * over under a new root; `-2` … follows then.
 */
async function putInPlace(paths: NodePaths, temporary: string, { trusted }: GenerationSource): Promise<string> {
  const base = String(trusted.set.timestamp?.version ?? 0).padStart(12, '0');
  const current = path.basename(await readlink(paths.current).catch(() => ''));
  let name = base;
  for (let suffix = 2; name === current; suffix += 1) name = `${base}-${suffix}`;
  const folder = path.join(paths.generations, name);
  await rm(folder, { recursive: true, force: true });
  await rename(temporary, folder);
  await syncDirectory(paths.generations);
  return folder;
}

/** What follows once a generation is current, and what a run that was killed after that left to do: the floor goes up, old folders go. */
export async function settleGeneration(
  paths: NodePaths,
  { trusted, floor }: Pick<GenerationSource, 'trusted' | 'floor'>,
): Promise<void> {
  const isRaised = floor?.timestamp.equals(trusted.timestamp) === true && floor.roots.length === trusted.roots.length;
  if (!isRaised) await writeFloor(paths.floor, trusted);
  await removeOld(paths);
}

/** Keeps the newest three and the current one; removes older ones and what broken-off runs left. */
async function removeOld(paths: NodePaths): Promise<void> {
  const current = path.basename(await readlink(paths.current));
  const names = await readdir(paths.generations);
  const complete = names.filter((name) => /^\d{12,16}(?:-\d+)?$/.test(name)).sort();
  const kept = new Set([...complete.slice(-KEPT_GENERATIONS), current]);
  for (const name of names) {
    if (!kept.has(name)) await rm(path.join(paths.generations, name), { recursive: true, force: true });
  }
}
