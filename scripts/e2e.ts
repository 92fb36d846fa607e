import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { execa } from 'execa';
import { z } from 'zod';

import { describeError } from '../appliance/kernel/coded-error.ts';
import { bundleCli } from './build/bundle-cli.ts';
import { type Architecture, makeExecutable } from './build/executable.ts';
import { bringUp } from './lab/bring-up.ts';
import { bringDown } from './lab/down.ts';
import { lineProgress, type Progress } from './lab/steps.ts';

/**
 * Runs end-to-end suites, each on the lab that it asks for, and takes the lab down afterwards, whatever happens.
 * Its progress goes to standard error, so that standard output is the tests' own.
 */
const root = path.resolve(import.meta.dirname, '..');

const USAGE = `npm run e2e -- [core|all|SUITE …] [--name LAB] [--keep] [--resume] [--no-build] [--tap]
  core           what CI runs (test/e2e/core)
  all            every suite: lab, core, faults, long-kill, long-terminal
  --name LAB     the lab's name (default e2e)
  --keep         leave the lab up afterwards
  --resume       go on, on the lab of the last run (--keep), with the proofs that did not hold there
  --no-build     use the executable in build/ as it is
  --tap          report in the Test Anything Protocol`;

const SUITES: readonly string[] = ['lab', 'core', 'faults', 'long-kill', 'long-terminal'];

/** `test/e2e/<suite>/suite.json`: what a suite needs before it starts. */
const suiteSchema = z.strictObject({
  /** `fresh`: a lab that nobody has used; `any`: one that is up will do. */
  lab: z.enum(['fresh', 'any']),
  /** Whether it runs the executable. */
  executable: z.boolean(),
});

interface Options {
  readonly name: string;
  readonly keep: boolean;
  readonly resume: boolean;
  readonly tap: boolean;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

async function needsOf(suite: string): Promise<z.infer<typeof suiteSchema>> {
  const text = await readFile(path.join(root, 'test', 'e2e', suite, 'suite.json'), 'utf8');
  return suiteSchema.parse(JSON.parse(text));
}

/** Sealift as one file for this machine, as `npm run build` makes it. */
async function buildExecutable(): Promise<void> {
  const { devDependencies } = z
    .object({ devDependencies: z.object({ node: z.string() }) })
    .parse(JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')));
  const script = path.join(root, 'build', 'sealift.cjs');
  await mkdir(path.dirname(script), { recursive: true });
  await bundleCli(root, script);
  const arch = process.arch as Architecture;
  const outFile = path.join(root, 'build', `sealift-linux-${arch}`);
  await makeExecutable({ root, script, arch, outFile, nodeVersion: devDependencies.node });
}

/** Prepares the lab that `suite` wants and runs it. @returns AVA's exit code. */
async function runSuite(suite: string, { name, resume, tap, signal, progress }: Options): Promise<number> {
  const needs = await needsOf(suite);
  if (needs.lab === 'fresh' && !resume) await bringDown(name, progress);
  await bringUp(name, progress);
  signal.throwIfAborted();
  const ava = path.join(root, 'node_modules', '.bin', 'ava');
  const words = ['--config', 'ava.e2e.config.js', ...(tap ? ['--tap'] : []), `test/e2e/${suite}/**/*.test.ts`];
  const { exitCode } = await execa(ava, words, {
    cwd: root,
    env: { SEALIFT_LAB: name, ...(resume ? { SEALIFT_E2E_RESUME: '1' } : {}) },
    stdio: 'inherit',
    reject: false,
    cancelSignal: signal,
    gracefulCancel: false,
  });
  return exitCode ?? 1;
}

async function runSuites(suites: readonly string[], options: Options): Promise<number> {
  try {
    let worst = 0;
    for (const suite of suites) worst = Math.max(worst, await runSuite(suite, options));
    return worst;
  } finally {
    if (!options.keep) await bringDown(options.name, options.progress);
  }
}

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      name: { type: 'string', default: 'e2e' },
      keep: { type: 'boolean', default: false },
      resume: { type: 'boolean', default: false },
      'no-build': { type: 'boolean', default: false },
      tap: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const unknown = positionals.filter((suite) => suite !== 'all' && !SUITES.includes(suite));
  if (unknown.length > 0) {
    console.error(`error: no suite ${unknown.join(', ')}\n${USAGE}`);
    return 2;
  }
  const suites = positionals.length === 0 || positionals.includes('all') ? SUITES : positionals;
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
  const progress = lineProgress((line) => console.error(line));
  const { name, keep, resume, tap } = values;
  const needs = await Promise.all(suites.map(needsOf));
  if (!values['no-build'] && needs.some(({ executable }) => executable)) {
    await progress.step('executable', buildExecutable);
  }
  return await runSuites(suites, { name, keep, resume, tap, signal: stop.signal, progress });
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`error: ${describeError(error)}`);
  process.exitCode = 1;
}
