// Runs one of the project's tasks with the pinned Node and the locked dependencies, installing them when they are
// missing or stale. Plain JavaScript for any Node from 20 on, since it is what runs before the pinned one is there.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '..');
const bin = path.join(root, 'node_modules', '.bin');

/** Task name → the commands that it runs, in order. The first that fails ends the task. */
const tasks = {
  test: [['ava']],
  check: [
    ['biome', 'ci', '--colors=off', '--diagnostic-level=error', '.'],
    ['eslint', '--max-warnings=0', '.'],
    ['tsc', '--noEmit', '-p', '.'],
    [
      'depcruise',
      '--config',
      '.dependency-cruiser.cjs',
      '--output-type',
      'err',
      'appliance',
      'mirror',
      'trust-root',
      'daemonset',
      'scripts',
      'test',
    ],
    ['node', 'scripts/draw-layers.ts', '--check'],
    ['knip', '--no-progress'],
  ],
  format: [
    ['biome', 'check', '--write', '.'],
    ['node', 'scripts/draw-layers.ts'],
  ],
  demo: [['node', 'scripts/demo/main.ts']],
  sealift: [['node', 'appliance/cli.ts']],
  build: [['node', 'scripts/build/main.ts']],
  bench: [['node', 'scripts/bench/main.ts']],
  e2e: [['node', 'scripts/e2e.ts']],
  'e2e:core': [['node', 'scripts/e2e.ts', 'core']],
  'lab:build': [
    ['node', 'scripts/lab/build-binaries.ts'],
    ['node', 'scripts/images/ensure-images.ts'],
  ],
  'lab:up': [['node', 'scripts/lab/up.ts']],
  'lab:down': [['node', 'scripts/lab/down.ts']],
  'lab:status': [['node', 'scripts/lab/status.ts']],
  ci: [['node', 'scripts/ci.ts']],
};

function lockedPackages(file) {
  return JSON.parse(readFileSync(file, 'utf8')).packages;
}

/** True when node_modules holds what package-lock.json says. */
function dependenciesAreCurrent() {
  const installedLock = path.join(root, 'node_modules', '.package-lock.json');
  if (!existsSync(installedLock) || !existsSync(path.join(bin, 'node'))) return false;
  const installed = lockedPackages(installedLock);
  return Object.entries(lockedPackages(path.join(root, 'package-lock.json')))
    .filter(([place, entry]) => place !== '' && entry.optional !== true)
    .every(([place, entry]) => installed[place]?.version === entry.version);
}

function run(command, args) {
  const env = { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH ?? ''}` };
  const result = spawnSync(command, args, { cwd: root, env, stdio: 'inherit' });
  if (result.error !== undefined) {
    console.error(`error: ${command} could not be started: ${result.error.message}`);
    return 1;
  }
  return result.status ?? 1;
}

function main() {
  const [name, ...rest] = process.argv.slice(2);
  const task = tasks[name];
  if (task === undefined) {
    console.error(`error: no task ${JSON.stringify(name)}; there are: ${Object.keys(tasks).join(', ')}`);
    return 2;
  }
  if (!dependenciesAreCurrent()) {
    console.error('Installing the dependencies that package-lock.json names (npm ci) …');
    const installed = run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
    if (installed !== 0) {
      console.error(
        'error: the dependencies could not be installed; see the lines above, then run the same command again',
      );
      return installed;
    }
  }
  for (const [index, [command, ...args]] of task.entries()) {
    const isLast = index === task.length - 1;
    const status = run(path.join(bin, command), isLast ? [...args, ...rest] : args);
    if (status !== 0) return status;
  }
  return 0;
}

process.exitCode = main();
