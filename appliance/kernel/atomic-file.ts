import { randomBytes } from 'node:crypto';
import { mkdir, open, readlink, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';

/** Flushes a folder's entries, so that a rename inside it survives a power cut. */
export async function syncDirectory(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function temporaryName(file: string): string {
  return path.join(path.dirname(file), `.${path.basename(file)}.${randomBytes(6).toString('hex')}.tmp`);
}

/**
 * Puts `content` at `file` whole or not at all: temporary file in the same folder, fsync, rename, fsync of the folder.
 * A reader, or a restart after a crash at any instant, sees the old content or the new.
 * @param options.mode permission bits of the new file, 0o644 unless told; secrets take 0o600.
 */
export async function writeFileAtomic(
  file: string,
  content: Uint8Array | string,
  options: { mode?: number } = {},
): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const temporary = temporaryName(file);
  try {
    const handle = await open(temporary, 'wx', options.mode ?? 0o644);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDirectory(path.dirname(file));
}

/** Makes the symbolic link `link` point to `target`, replacing what it pointed to in one step, durably. */
export async function replaceSymlink(link: string, target: string): Promise<void> {
  if ((await readlink(link).catch(() => undefined)) === target) return;
  const temporary = temporaryName(link);
  await symlink(target, temporary);
  await rename(temporary, link);
  await syncDirectory(path.dirname(link));
}
