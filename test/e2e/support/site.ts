import { mkdir, symlink } from 'node:fs/promises';
import path from 'node:path';

import { enterLab, kubectl, type LabState, loadLab, type Place } from '../../../scripts/lab/lab.ts';
import { type RunResult, run } from '../../../scripts/lab/program.ts';

/** The lab that this run works on: brought up by `npm run e2e`, named in SEALIFT_LAB. */
export async function siteLab(): Promise<LabState> {
  const name = process.env['SEALIFT_LAB'];
  if (name === undefined) throw new Error('SEALIFT_LAB names no lab; run this by `npm run e2e`');
  return await loadLab(name);
}

/** The project's folder. */
export const PROJECT = path.resolve(import.meta.dirname, '..', '..', '..');

/** The built executable: what an operator has, and nothing beside it. */
export const EXECUTABLE = path.join(PROJECT, 'build', `sealift-linux-${process.arch}`);

/** How to run the executable in the lab. */
export interface SealiftRun {
  readonly where?: Place;
  readonly timeoutMs?: number;
  /** Exit codes that are no error, beside 0. */
  readonly allow?: readonly number[] | 'any';
  readonly env?: Readonly<Record<string, string>>;
}

/** A folder for the PATH that holds only `programs`: no node, npm, helm or kubectl. */
export async function barePath(lab: LabState, programs: readonly string[]): Promise<string> {
  const folder = path.join(lab.dir, `bare-path-${programs.join('-')}`);
  await mkdir(folder, { recursive: true });
  for (const program of programs) {
    await symlink(`/usr/bin/${program}`, path.join(folder, program)).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    });
  }
  return folder;
}

/** The words that run the executable with an almost empty environment, at the operator's host unless told. */
export async function sealiftArgv(
  lab: LabState,
  args: readonly string[],
  { where = 'operator', env = {} }: Pick<SealiftRun, 'where' | 'env'> = {},
): Promise<string[]> {
  const PATH = await barePath(lab, where.startsWith('node') ? ['ctr', 'containerd'] : []);
  const settings = Object.entries({ PATH, HOME: '/root', ...env }).map(([key, value]) => `${key}=${value}`);
  return [...enterLab(lab, where), '/usr/bin/env', '-i', ...settings, EXECUTABLE, ...args];
}

/** Runs the executable as {@link sealiftArgv} says. */
export async function sealift(lab: LabState, args: readonly string[], options: SealiftRun = {}): Promise<RunResult> {
  const { timeoutMs = 600_000, allow = [] } = options;
  return await run(await sealiftArgv(lab, args, options), { timeoutMs, allow });
}

/** An object of the cluster as kubectl prints it in JSON. */
export async function kubeJson(lab: LabState, args: readonly string[]): Promise<unknown> {
  const { stdout } = await kubectl(lab, [...args, '-o', 'json', '--request-timeout=20s']);
  return JSON.parse(stdout) as unknown;
}
