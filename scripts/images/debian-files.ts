import { access, mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomic } from '../../appliance/kernel/atomic-file.ts';
import { cacheFolder } from '../lab/cache.ts';
import { withFileLock } from '../lab/file-lock.ts';
import { LabError } from '../lab/lab-error.ts';
import { run } from '../lab/program.ts';

const FETCH_TIMEOUT_MS = 10 * 60_000;

/**
 * Fetches the named Debian packages at the version this machine's package lists name, and unpacks each into a folder
 * of its own in the cache, installing nothing. What is there already costs nothing but a look.
 * @returns each package's folder, in the order asked for.
 * @throws LabError `PACKAGES_FAILED`.
 */
export async function debianFiles(names: readonly string[], cache: string = cacheFolder()): Promise<string[]> {
  const base = path.join(cache, 'debian');
  await mkdir(base, { recursive: true });
  return await withFileLock(path.join(cache, 'debian.lock'), async () => {
    const archives = await knownArchives(names, path.join(base, 'archives.json'));
    const folders: string[] = [];
    for (const [index, archive] of archives.entries()) {
      const folder = path.join(base, archive.replace(/\.deb$/, ''));
      if (!(await exists(folder))) await fetchAndUnpack(names[index] ?? '', archive, folder);
      folders.push(folder);
    }
    return folders;
  });
}

interface KnownArchives {
  /** When the package lists changed last. */
  readonly lists: number;
  readonly archives: Readonly<Record<string, string>>;
}

/** What {@link archiveNames} says, remembered until the package lists change: asking apt takes a second. */
async function knownArchives(names: readonly string[], memory: string): Promise<string[]> {
  const listsChanged = async () => (await stat('/var/lib/apt/lists')).mtimeMs;
  const text = await readFile(memory, 'utf8').catch(() => '{"lists":0,"archives":{}}');
  const known = JSON.parse(text) as KnownArchives;
  const archives = known.lists === (await listsChanged()) ? { ...known.archives } : {};
  const missing = names.filter((name) => archives[name] === undefined);
  if (missing.length > 0) {
    const found = await archiveNames(missing);
    for (const [index, name] of missing.entries()) archives[name] = found[index] ?? '';
    await writeFileAtomic(memory, JSON.stringify({ lists: await listsChanged(), archives }));
  }
  return names.map((name) => archives[name] ?? '');
}

/** The file name of each package's archive, which holds its version. */
async function archiveNames(names: readonly string[]): Promise<string[]> {
  const ask = async () => await run(['apt-get', '--print-uris', 'download', ...names], { allow: 'any', cwd: '/tmp' });
  let answer = await ask();
  if (answer.code !== 0) {
    await run(['apt-get', '-q', 'update'], { timeoutMs: FETCH_TIMEOUT_MS });
    answer = await ask();
  }
  const found = answer.stdout
    .split('\n')
    .map((line) => line.split(' ')[1])
    .filter((name) => name !== undefined);
  return names.map((name) => {
    const archive = found.find((file) => file.startsWith(`${name}_`));
    if (archive === undefined) {
      throw new LabError('PACKAGES_FAILED', `Debian has no package ${name} here: ${answer.stderr.trim()}`, {
        fix: 'check /etc/apt/sources.list and run apt-get update',
      });
    }
    return archive;
  });
}

async function fetchAndUnpack(name: string, archive: string, folder: string): Promise<void> {
  const unfinished = `${folder}.tmp`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  try {
    const download = ['apt-get', '-q', '-o', 'APT::Sandbox::User=root', 'download', name];
    const first = await run(download, { cwd: unfinished, timeoutMs: FETCH_TIMEOUT_MS, allow: 'any' });
    if (first.code !== 0) {
      await run(['apt-get', '-q', 'update'], { timeoutMs: FETCH_TIMEOUT_MS });
      await run(download, { cwd: unfinished, timeoutMs: FETCH_TIMEOUT_MS });
    }
    await run(['dpkg-deb', '-x', path.join(unfinished, archive), unfinished]);
    await rm(path.join(unfinished, archive));
    await rename(unfinished, folder);
  } catch (cause) {
    await rm(unfinished, { recursive: true, force: true });
    throw new LabError('PACKAGES_FAILED', `the Debian package ${name} can't be had`, { cause });
  }
}

async function exists(file: string): Promise<boolean> {
  return await access(file).then(
    () => true,
    () => false,
  );
}
