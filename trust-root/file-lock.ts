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
    if (holder !== undefined && isAlive(holder)) throw held(file, holder.pid);
    await rm(file, { force: true });
    if (!(await tryCreate(file))) throw held(file, holder?.pid ?? 0);
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
      await handle.writeFile(`${process.pid} ${startOfThisProcess()}`);
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw new TrustRootError('STORE_FAILED', `${file}: could not be made`, { cause: error });
  }
}

interface Holder {
  readonly pid: number;
  readonly startedAt: string;
}

async function holderOf(file: string): Promise<Holder | undefined> {
  const [, pid, startedAt] = /^([1-9]\d{0,9}) (\d+)$/.exec(await readFile(file, 'utf8').catch(() => '')) ?? [];
  return pid === undefined || startedAt === undefined ? undefined : { pid: Number(pid), startedAt };
}

/** Tells this process from an earlier one with its pid: in a container, each is pid 1. */
function startOfThisProcess(): string {
  return String(Math.floor(performance.timeOrigin));
}

function isAlive({ pid, startedAt }: Holder): boolean {
  if (pid === process.pid) return startedAt === startOfThisProcess();
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
