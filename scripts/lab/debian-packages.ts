import { access, chmod, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder } from './cache.ts';
import { withFileLock } from './file-lock.ts';
import { LabError } from './lab-error.ts';
import { DEBIAN_PACKAGES } from './pins.ts';
import { run } from './program.ts';

/** Asked by Debian's maintainer scripts before they start a service; 101 forbids it. */
const POLICY_FILE = '/usr/sbin/policy-rc.d';
const INSTALL_TIMEOUT_MS = 10 * 60_000;

/**
 * Installs those of the named Debian packages (all that the lab runs, unless told) that this machine lacks, and starts
 * none of their services.
 * @throws LabError `PACKAGES_FAILED` with the log's path.
 */
export async function ensureDebianPackages(
  names: readonly string[] = Object.keys(DEBIAN_PACKAGES),
  say: (line: string) => void = console.log,
): Promise<void> {
  await withFileLock(path.join(cacheFolder(), 'apt.lock'), async () => {
    const missing = await packagesMissing(names);
    if (missing.length === 0) return;
    say(`installing Debian packages: ${missing.join(' ')}`);
    const logFile = path.join(cacheFolder(), 'apt.log');
    await withoutServices(async () => await install(missing, logFile));
    const still = await packagesMissing(missing);
    if (still.length > 0) {
      throw new LabError('PACKAGES_FAILED', `installed, but without the programs expected: ${still.join(' ')}`, {
        fix: `see ${logFile}`,
      });
    }
  });
}

/** Those of the named packages whose file isn't there. A package without a known file is asked of dpkg. */
async function packagesMissing(names: readonly string[]): Promise<string[]> {
  const missing: string[] = [];
  for (const name of names) {
    const file = DEBIAN_PACKAGES[name];
    const present = file === undefined ? await isInstalled(name) : await exists(file);
    if (!present) missing.push(name);
  }
  return missing;
}

async function isInstalled(name: string): Promise<boolean> {
  const { stdout } = await run(['dpkg-query', '-W', '-f=${Status}', name], { allow: 'any' });
  return stdout.startsWith('install ok installed');
}

async function exists(file: string): Promise<boolean> {
  return await access(file).then(
    () => true,
    () => false,
  );
}

async function withoutServices(work: () => Promise<void>): Promise<void> {
  const ours = !(await exists(POLICY_FILE));
  if (ours) {
    await writeFile(POLICY_FILE, '#!/bin/sh\nexit 101\n');
    await chmod(POLICY_FILE, 0o755);
  }
  try {
    await work();
  } finally {
    if (ours) await rm(POLICY_FILE, { force: true });
  }
}

async function install(names: readonly string[], logFile: string): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const options = { env, logFile, timeoutMs: INSTALL_TIMEOUT_MS };
  const apt = ['apt-get', '-y', '-q', '-o', 'DPkg::Lock::Timeout=300', '--no-install-recommends', 'install', ...names];
  try {
    // Package lists that are too old name versions that the archive no longer has: fetch them and try once more.
    const first = await run(apt, { ...options, allow: 'any' });
    if (first.code === 0) return;
    await run(['apt-get', '-q', 'update'], options);
    await run(apt, options);
  } catch (cause) {
    throw new LabError('PACKAGES_FAILED', `apt-get can't install ${names.join(' ')}`, { cause, fix: `see ${logFile}` });
  }
}
