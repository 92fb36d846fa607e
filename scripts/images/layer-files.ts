import { lstat, readdir, readlink } from 'node:fs/promises';
import path from 'node:path';
import type { LayerEntry, LayerOwner } from './layer.ts';

const ROOT = { uid: 0, gid: 0 };

/** An entry with bytes of our own. Owned by root, 0644, unless told. */
export function textFile(at: string, content: string | Buffer, owner: Partial<LayerOwner> = {}): LayerEntry {
  return { kind: 'file', path: at, mode: 0o644, ...ROOT, ...owner, content: Buffer.from(content) };
}

/** A folder, 0755 root unless told. */
export function folder(at: string, owner: Partial<LayerOwner> = {}): LayerEntry {
  return { kind: 'folder', path: at, mode: 0o755, ...ROOT, ...owner };
}

/** A symbolic link. */
export function link(at: string, target: string): LayerEntry {
  return { kind: 'link', path: at, mode: 0o777, ...ROOT, target };
}

/** A program of this machine, 0755 root. */
export async function program(at: string, file: string): Promise<LayerEntry> {
  return await diskFile(at, file, 0o755);
}

/** A file of this machine. */
export async function diskFile(at: string, file: string, mode = 0o644): Promise<LayerEntry> {
  const found = await lstat(file);
  const identity = `${path.basename(file)} ${found.mtimeMs}`;
  return { kind: 'file', path: at, mode, ...ROOT, source: { file, size: found.size, identity } };
}

/**
 * Everything below `root` for which `keep` says yes (asked for files and links, with the path from `root`), owned by
 * root. Folders come along when something in them does.
 */
export async function filesBelow(root: string, keep: (at: string) => boolean): Promise<LayerEntry[]> {
  const entries: LayerEntry[] = [];
  for (const found of await readdir(root, { recursive: true, withFileTypes: true })) {
    const file = path.join(found.parentPath, found.name);
    const at = path.relative(root, file);
    if (found.isDirectory() || !keep(at)) continue;
    if (found.isSymbolicLink()) entries.push(link(at, await readlink(file)));
    else if (found.isFile()) entries.push(await diskFile(at, file, (await lstat(file)).mode & 0o777));
  }
  return entries;
}
