import path from 'node:path';
import { parseArgs } from 'node:util';

import { execa } from 'execa';

import { describeError } from '../appliance/kernel/coded-error.ts';
import { bringUp } from './lab/bring-up.ts';
import { labLayout } from './lab/layout.ts';
import { lineProgress } from './lab/steps.ts';
import { takeDown } from './lab/take-down.ts';

/**
 * Runs end-to-end suites on a lab of their own, which it brings up first and takes down afterwards, whatever happens.
 * Its progress goes to standard error, so that standard output is the tests' own.
 */
const root = path.resolve(import.meta.dirname, '..');

const USAGE = `npm run e2e -- [core|all|SUITE …] [--name LAB] [--keep] [--tap]
  core           what CI runs (test/e2e/core)
  all            every suite (test/e2e/*)
  --name LAB     the lab's name (default e2e)
  --keep         leave the lab up afterwards
  --tap          report in the Test Anything Protocol`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      name: { type: 'string', default: 'e2e' },
      keep: { type: 'boolean', default: false },
      tap: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help || positionals.length === 0) {
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  const suites = positionals.includes('all') ? ['*'] : positionals;
  const lab = labLayout(values.name);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
  try {
    await bringUp(
      values.name,
      lineProgress((line) => console.error(line)),
    );
    const files = suites.map((suite) => `test/e2e/${suite}/**/*.test.ts`);
    const ava = path.join(root, 'node_modules', '.bin', 'ava');
    const { exitCode } = await execa(
      ava,
      ['--config', 'ava.e2e.config.js', ...(values.tap ? ['--tap'] : []), ...files],
      {
        cwd: root,
        env: { SEALIFT_LAB: values.name },
        stdio: 'inherit',
        reject: false,
        cancelSignal: stop.signal,
        gracefulCancel: false,
      },
    );
    return exitCode ?? 1;
  } finally {
    if (!values.keep) await takeDown(lab);
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`error: ${describeError(error)}`);
  process.exitCode = 1;
}
