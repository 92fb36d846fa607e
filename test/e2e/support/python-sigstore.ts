import { access } from 'node:fs/promises';
import path from 'node:path';

import { cacheFolder } from '../../../scripts/lab/cache.ts';
import { withFileLock } from '../../../scripts/lab/file-lock.ts';
import { run } from '../../../scripts/lab/program.ts';

const VERSION = '4.5.1';

/** Python's `sigstore` library and program, put into a virtual environment in the lab's cache the first time. Needs Python 3.10.
 * @returns the folder of the environment's programs. */
export async function ensurePythonSigstore(): Promise<string> {
  const folder = path.join(cacheFolder(), 'python', `sigstore-${VERSION}`);
  const programs = path.join(folder, 'bin');
  const isThere = async () =>
    await access(path.join(programs, 'sigstore')).then(
      () => true,
      () => false,
    );
  await withFileLock(path.join(cacheFolder(), 'python.lock'), async () => {
    if (await isThere()) return;
    await run(['python3', '-m', 'venv', '--clear', folder], { timeoutMs: 120_000 });
    const words = ['install', '--quiet', '--disable-pip-version-check', `sigstore==${VERSION}`];
    await run([path.join(programs, 'pip'), ...words], { timeoutMs: 300_000 });
  });
  return programs;
}
