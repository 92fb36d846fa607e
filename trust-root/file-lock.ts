import { open, readFile, rm } from 'node:fs/promises';

import { TrustRootError } from './trust-root-error.ts';

/**
 * Runs `work` while this process alone holds the lock file `file`, for processes of one machine.
 * A lock whose process is gone (killed while it held it) is taken over.
 * @throws TrustRootError `STORE_CONFLICT` when a living process holds it.
 */
export async function withFileLock<T>(file: string, work: () => Promise<T>): Promise<T> {
  if (!(await tryCreate(file))) {
    const holder = await holderOf(file);
    if (holder !== undefined && isAlive(holder)) throw held(file, holder);
    await rm(file, { force: true });
    if (!(await tryCreate(file))) throw held(file, holder ?? 0);
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function tryCreate(file: string): Promise<boolean> {
  try {
    const handle = await open(file, 'wx', 0o600);
    try {
      await handle.writeFile(String(process.pid));
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw new TrustRootError('STORE_FAILED', `${file}: could not be made`, { cause: error });
  }
}

async function holderOf(file: string): Promise<number | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

function held(file: string, pid: number): TrustRootError {
  return new TrustRootError('STORE_CONFLICT', `${file}: process ${pid} is publishing`, {
    fix: 'wait for it to end, then run the command again',
  });
}
