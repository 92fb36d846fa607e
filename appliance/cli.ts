import { CommanderError, type CommandUnknownOpts } from '@commander-js/extra-typings';

import { exitCodeOf } from './exit-code.ts';
import { CodedError, describeError } from './kernel/coded-error.ts';
import { buildProgram } from './program.ts';
import { processRuntime } from './runtime.ts';

/**
 * The process edge: arguments in, exit code out, signals turned into an abort.
 * The first SIGINT or SIGTERM aborts and lets the command clean up; the second ends the process at once.
 */
async function main(): Promise<number> {
  const abort = new AbortController();
  const ended: { by?: NodeJS.Signals } = {};
  const stop = (signal: NodeJS.Signals): void => {
    if (abort.signal.aborted) process.exit(130);
    ended.by = signal;
    abort.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  // Whoever reads the output may stop early (`| head`): that is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  const runtime = processRuntime(abort.signal);
  const program = buildProgram(runtime);
  throwInsteadOfExit(program);
  try {
    await program.parseAsync(process.argv);
    // A server that ends in order on SIGTERM did what it was told.
    return ended.by === 'SIGINT' ? 130 : Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (abort.signal.aborted) return 130;
    report(error);
    return exitCodeOf(error);
  }
}

function throwInsteadOfExit(command: CommandUnknownOpts): void {
  command.exitOverride();
  for (const child of command.commands) throwInsteadOfExit(child);
}

function report(error: unknown): void {
  const code = error instanceof CodedError ? `${error.code}: ` : '';
  process.stderr.write(`error: ${code}${describeError(error)}\n`);
  if (error instanceof CodedError && error.fix !== undefined) process.stderr.write(`  next: ${error.fix}\n`);
  if (!(error instanceof CodedError) && error instanceof Error && process.env['SEALIFT_LOG'] === 'debug') {
    process.stderr.write(`${error.stack ?? ''}\n`);
  }
}

void main().then((code) => {
  process.exit(code);
});
