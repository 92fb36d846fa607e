import { lstat, open, readdir, realpath, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';

import { syncDirectory, writeFileAtomic } from '../appliance/kernel/atomic-file.ts';
import { DaemonsetError } from './daemonset-error.ts';

/** Largest host file that is read: 1 MiB. */
const MAX_BYTES = 1024 * 1024;

/**
 * Files of the host below one folder, which they never leave: names are relative and plain, and neither a folder on the
 * way nor the file itself may be a symbolic link. Whoever can write below the folder can't make the agent, which runs
 * as root, write elsewhere.
 */
export interface HostFiles {
  readonly root: string;
  /** A file's content; `undefined` when it is not there. @throws DaemonsetError `PATH_ESCAPES`, `HOST_FILE_FAILED`. */
  read(name: string): Promise<string | undefined>;
  /** Puts a file there, whole or not at all. @throws DaemonsetError `PATH_ESCAPES`, `DISK_FULL`, `HOST_FILE_FAILED`. */
  write(name: string, content: string): Promise<void>;
  /** Takes a file away, and its folder when that is empty then. Nothing happens when it is not there. */
  remove(name: string): Promise<void>;
  /** Names of the folders directly below the root, sorted; links to folders count. */
  folders(): Promise<string[]>;
}

/** The host's files below `root`, which may itself be reached by a link and is made when missing. */
export function hostFiles(root: string): HostFiles {
  const locate = async (name: string): Promise<string> => await locateBelow(root, name);
  return {
    root,
    read: async (name) => await attempt(name, async () => await readBounded(await locate(name))),
    write: async (name, content) =>
      await attempt(name, async () => await writeFileAtomic(await locate(name), content, { mode: 0o644 })),
    remove: async (name) => await attempt(name, async () => await removeWithFolder(root, await locate(name))),
    folders: async () =>
      await attempt('.', async () => {
        const entries = await readdir(root, { withFileTypes: true }).catch(whenMissing([]));
        return entries
          .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
          .map((entry) => entry.name)
          .sort();
      }),
  };
}

async function locateBelow(root: string, name: string): Promise<string> {
  const parts = name.split('/');
  if (name.includes('\0') || parts.some((part) => part === '' || part === '.' || part === '..')) {
    throw new DaemonsetError('PATH_ESCAPES', `not a plain path below ${root}: ${JSON.stringify(name.slice(0, 200))}`);
  }
  const base = await realpath(root).catch(whenMissing(root));
  let current = base;
  for (const [index, part] of parts.entries()) {
    current = path.join(current, part);
    const found = await lstat(current).catch(whenMissing(undefined));
    if (found === undefined) continue;
    const isLast = index === parts.length - 1;
    const fits = isLast ? found.isFile() : found.isDirectory();
    if (!fits) {
      const wanted = isLast ? 'regular file' : 'folder';
      throw new DaemonsetError('PATH_ESCAPES', `${current} is no ${wanted}; Sealift doesn't write through it`, {
        fix: `move ${current} away on the node`,
      });
    }
  }
  return current;
}

async function readBounded(file: string): Promise<string | undefined> {
  const handle = await open(file, 'r').catch(whenMissing(undefined));
  if (handle === undefined) return undefined;
  try {
    if ((await handle.stat()).size > MAX_BYTES) {
      throw new DaemonsetError('HOST_FILE_FAILED', `${file}: larger than the ${MAX_BYTES} bytes that are read`);
    }
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

async function removeWithFolder(root: string, file: string): Promise<void> {
  await rm(file, { force: true });
  const folder = path.dirname(file);
  if (folder === (await realpath(root).catch(whenMissing(root)))) return;
  const left = await readdir(folder).catch(whenMissing(undefined));
  if (left?.length === 0) await rmdir(folder);
  await syncDirectory(left?.length === 0 ? path.dirname(folder) : folder).catch(whenMissing(undefined));
}

async function attempt<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof DaemonsetError) throw cause;
    if (isDiskFull(cause)) {
      throw new DaemonsetError('DISK_FULL', `${name}: the disk is full`, { cause, fix: 'free space on the node' });
    }
    throw new DaemonsetError('HOST_FILE_FAILED', `${name}: could not be read or written on the host`, { cause });
  }
}

/** True for an error that says that the disk or the quota is full, or for one caused by such an error. */
export function isDiskFull(error: unknown): boolean {
  for (let current = error, depth = 0; current instanceof Error && depth < 8; current = current.cause, depth += 1) {
    if ('code' in current && (current.code === 'ENOSPC' || current.code === 'EDQUOT' || current.code === 'DISK_FULL')) {
      return true;
    }
  }
  return false;
}

function whenMissing<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return value;
    throw error;
  };
}
