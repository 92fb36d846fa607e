import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { LabError } from './lab-error.ts';

/**
 * Runs `work` while holding an exclusive lock on `file`, waiting for whoever holds it now.
 *
 * The kernel keeps the lock (flock(2)) for a child whose input is our pipe: when this process ends, in whatever way,
 * the pipe closes, the child ends and the lock is free. There is no stale lock to clean up.
 * @param onWait called once when somebody else has the lock.
 */
export async function withFileLock<T>(file: string, work: () => Promise<T>, onWait?: () => void): Promise<T> {
  await mkdir(path.dirname(file), { recursive: true });
  const holder = spawn('/usr/bin/flock', ['-x', file, 'sh', '-c', 'echo locked; exec cat >/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(holder, 'exit');
  const wait = setTimeout(() => onWait?.(), 500);
  try {
    await Promise.race([
      once(holder.stdout, 'data'),
      ended.then(() => {
        throw new LabError('PROGRAM_FAILED', `the lock ${file} can't be taken`);
      }),
    ]);
    clearTimeout(wait);
    return await work();
  } finally {
    clearTimeout(wait);
    holder.stdin.end();
    await ended;
  }
}
