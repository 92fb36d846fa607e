import { chmod, copyFile, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder } from './cache.ts';
import { withFileLock } from './file-lock.ts';
import { LabError } from './lab-error.ts';
import { BINARIES, type BinaryPin, binaryPin } from './pins.ts';
import { run } from './program.ts';
import { linkerFlags, wrapperGoMod } from './wrapper-module.ts';

/** Where progress goes, and where the cache is. */
export interface BuildOptions {
  /** Receives one line of progress, without the newline. */
  readonly say?: (line: string) => void;
  /** The cache; {@link cacheFolder} unless told. */
  readonly cache?: string;
}

/** Longest time that one program may take to build, in milliseconds. */
const BUILD_TIMEOUT_MS = 20 * 60_000;
const PROGRESS_EVERY_MS = 15_000;

/** Where the program of `pin` lies once it is built. */
export function binaryPath(pin: BinaryPin, cache: string = cacheFolder()): string {
  return path.join(cache, 'bin', `${pin.name}-${pin.version}`);
}

/**
 * Makes sure that each named program is built, and tells where it is. Those that are there already cost nothing; the
 * others are built one at a time, also across several runs of this function in other processes.
 * @throws LabError `PIN_UNKNOWN`, or `BUILD_FAILED` with the log's path.
 */
export async function ensureBinaries(
  names: readonly string[] = BINARIES.map((pin) => pin.name),
  { say = console.log, cache = cacheFolder() }: BuildOptions = {},
): Promise<Map<string, string>> {
  const pins = names.map(binaryPin);
  const paths = new Map<string, string>();
  for (const pin of pins) {
    const file = binaryPath(pin, cache);
    if (!(await isThere(file))) {
      await withFileLock(
        path.join(cache, 'build.lock'),
        async () => {
          // Whoever held the lock before may have built it.
          if (!(await isThere(file))) await build(pin, file, { say, cache });
        },
        () => say(`${pin.name}: waiting for another build`),
      );
    }
    paths.set(pin.name, file);
  }
  return paths;
}

async function isThere(file: string): Promise<boolean> {
  return await stat(file).then(
    (found) => found.isFile(),
    () => false,
  );
}

async function build(pin: BinaryPin, file: string, { say, cache }: Required<BuildOptions>): Promise<void> {
  const folder = path.join(cache, 'build', `${pin.module.replaceAll('/', '_')}-${pin.version}`);
  const logFile = path.join(cache, 'build', `${pin.name}-${pin.version}.log`);
  await mkdir(folder, { recursive: true });
  await mkdir(path.dirname(file), { recursive: true });
  await rm(logFile, { force: true });
  const started = Date.now();
  const elapsed = () => `${Math.round((Date.now() - started) / 1000)} s`;
  say(`${pin.name} ${pin.version}: building`);
  const progress = setInterval(() => say(`${pin.name} ${pin.version}: building, ${elapsed()}`), PROGRESS_EVERY_MS);
  const unfinished = `${file}.${process.pid}.tmp`;
  try {
    if (pin.source === undefined) await writeWrapper(pin, folder, logFile);
    else await writeOwnModule(pin, folder);
    await compile(pin, unfinished, { folder, logFile });
    await chmod(unfinished, 0o755);
    await rename(unfinished, file);
  } catch (cause) {
    await rm(unfinished, { force: true });
    const tail = await lastLines(logFile);
    throw new LabError('BUILD_FAILED', `${pin.name} ${pin.version} can't be built: ${tail}`, {
      cause,
      fix: `see ${logFile}`,
    });
  } finally {
    clearInterval(progress);
  }
  say(`${pin.name} ${pin.version}: built in ${elapsed()}`);
}

interface Place {
  readonly folder: string;
  readonly logFile: string;
}

/** Lays the wrapper module and upstream's go.sum into `folder`. */
async function writeWrapper(pin: BinaryPin, folder: string, logFile: string): Promise<void> {
  const download = await run(['go', 'mod', 'download', '-json', `${pin.module}@${pin.version}`], {
    env: goEnvironment(),
    cwd: '/',
    timeoutMs: BUILD_TIMEOUT_MS,
    allow: 'any',
  });
  const answer = JSON.parse(download.stdout || '{}') as { GoMod?: string; Dir?: string; Error?: string };
  if (answer.GoMod === undefined || answer.Dir === undefined) {
    await writeFile(logFile, `${answer.Error ?? ''}${download.stderr}\n`);
    throw new LabError('BUILD_FAILED', `the module ${pin.module}@${pin.version} can't be had: ${answer.Error ?? ''}`);
  }
  await writeFile(path.join(folder, 'go.mod'), wrapperGoMod(await readFile(answer.GoMod, 'utf8'), pin));
  const sums = path.join(folder, 'go.sum');
  await rm(sums, { force: true });
  if (await isThere(path.join(answer.Dir, 'go.sum'))) {
    await copyFile(path.join(answer.Dir, 'go.sum'), sums);
    await chmod(sums, 0o644);
  }
}

async function writeOwnModule(pin: BinaryPin, folder: string): Promise<void> {
  await writeFile(path.join(folder, 'go.mod'), `module ${pin.module}\n\ngo 1.25\n`);
  await writeFile(path.join(folder, 'main.go'), pin.source ?? '');
}

async function compile(pin: BinaryPin, output: string, { folder, logFile }: Place): Promise<void> {
  await run(['nice', 'go', 'build', '-mod=mod', '-trimpath', '-ldflags', linkerFlags(pin), '-o', output, pin.package], {
    cwd: folder,
    env: goEnvironment(),
    logFile,
    timeoutMs: BUILD_TIMEOUT_MS,
  });
}

function goEnvironment(): NodeJS.ProcessEnv {
  return { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-p=2 -buildvcs=false', GOWORK: 'off' };
}

async function lastLines(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text.trim().split('\n').slice(-6).join('\n');
}

if (import.meta.main) {
  const started = Date.now();
  const say = (line: string) => console.log(`[${Math.round((Date.now() - started) / 1000)} s] ${line}`);
  try {
    const names = process.argv.slice(2);
    const paths = await ensureBinaries(names.length === 0 ? undefined : names, { say });
    for (const [name, file] of paths) console.log(`${name}\t${file}`);
  } catch (error) {
    const known = error instanceof LabError;
    console.error(known ? `${error.message}\n${error.fix ?? ''}` : error);
    process.exitCode = 1;
  }
}
