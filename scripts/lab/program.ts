import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { LabError } from './lab-error.ts';

/** How a program is run. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Text for its standard input; it is empty otherwise. */
  readonly input?: string;
  /** After so many milliseconds it gets SIGKILL. Default two minutes. */
  readonly timeoutMs?: number;
  /** File that its output is appended to; `stdout` and `stderr` are then empty. */
  readonly logFile?: string;
  /** Exit codes that are no error, beside 0; `'any'` for all. */
  readonly allow?: readonly number[] | 'any';
}

/** What a program left. */
export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** At most so many characters of each stream are kept. */
const OUTPUT_LIMIT = 64 * 1024 * 1024;

/**
 * Runs a program to its end, without a shell.
 * @throws LabError `PROGRAM_FAILED` when it can't start, ends with another code than allowed, or takes too long.
 */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [command, ...rest] = argv;
  if (command === undefined) throw new LabError('PROGRAM_FAILED', 'no program to run');
  const log = options.logFile === undefined ? undefined : openSync(options.logFile, 'a');
  try {
    const result = await finish(command, rest, { options, log });
    const { allow = [] } = options;
    if (result.code !== 0 && allow !== 'any' && !allow.includes(result.code)) throw failure(argv, result, options);
    return result;
  } finally {
    if (log !== undefined) closeSync(log);
  }
}

interface Start {
  readonly options: RunOptions;
  readonly log: number | undefined;
}

async function finish(command: string, rest: readonly string[], { options, log }: Start): Promise<RunResult> {
  return await new Promise((resolve, reject) => {
    const child = spawn(command, rest, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['pipe', log ?? 'pipe', log ?? 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout = (stdout + text).slice(-OUTPUT_LIMIT)));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-OUTPUT_LIMIT)));
    // A program that doesn't read its input closes the pipe first; that is its business.
    child.stdin?.on('error', () => undefined).end(options.input ?? '');
    const timeoutMs = options.timeoutMs ?? 120_000;
    const timer = setTimeout(() => {
      stderr += `\nstopped after ${timeoutMs} ms`;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.on('error', (cause) => {
      clearTimeout(timer);
      reject(new LabError('PROGRAM_FAILED', `${command} can't be started: ${cause.message}`, { cause }));
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? 137, stdout, stderr });
    });
  });
}

function failure(argv: readonly string[], result: RunResult, options: RunOptions): LabError {
  const words = result.stderr.trim() === '' ? result.stdout.trim() : result.stderr.trim();
  const tail = words.split('\n').slice(-8).join('\n');
  return new LabError(
    'PROGRAM_FAILED',
    `${argv.join(' ')} ended with code ${result.code}${tail === '' ? '' : `: ${tail}`}`,
    {
      ...(options.logFile === undefined ? {} : { fix: `see ${options.logFile}` }),
    },
  );
}
