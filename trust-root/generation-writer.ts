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
    await writeFloor(paths.floor, source.trusted);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true });
    if (cause instanceof TrustRootError) throw cause;
    throw new TrustRootError('STORE_FAILED', `${paths.generations}: the new generation could not be written`, {
      cause,
    });
  }
  await removeOld(paths, path.basename(folder));
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
 * Gives the folder its name: the timestamp's version in twelve digits. The name is taken when the same version was written
 * before but never became current, or after a recovery whose versions start over under a new root; `-2` … follows then.
 */
async function putInPlace(paths: NodePaths, temporary: string, { trusted }: GenerationSource): Promise<string> {
  const base = String(trusted.set.timestamp?.version ?? 0).padStart(12, '0');
  const taken = new Set(await readdir(paths.generations));
  let name = base;
  for (let suffix = 2; taken.has(name); suffix += 1) name = `${base}-${suffix}`;
  const folder = path.join(paths.generations, name);
  await rename(temporary, folder);
  await syncDirectory(paths.generations);
  return folder;
}

/** Keeps the newest three and the current one; removes older ones and what broken-off runs left. */
async function removeOld(paths: NodePaths, current: string): Promise<void> {
  const link = await readlink(paths.current).catch(() => '');
  const names = await readdir(paths.generations);
  const complete = names.filter((name) => /^\d{12,16}(?:-\d+)?$/.test(name)).sort();
  const kept = new Set([...complete.slice(-KEPT_GENERATIONS), current, path.basename(link)]);
  for (const name of names) {
    if (!kept.has(name)) await rm(path.join(paths.generations, name), { recursive: true, force: true });
  }
}
