import type { Writable } from 'node:stream';

import { type Clock, systemClock } from './kernel/clock.ts';
import { jsonLog, type Log } from './kernel/log.ts';

/** Everything that a command takes from the outside. Made once, at the process edge. */
export interface Runtime {
  readonly clock: Clock;
  readonly log: Log;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** True when a person sits at the terminal: both standard input and output are one. */
  readonly isTty: boolean;
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
}

/** The runtime of this process. `signal` is aborted by the process edge. */
export function processRuntime(signal: AbortSignal): Runtime {
  return {
    clock: systemClock,
    log: jsonLog((line) => process.stderr.write(line), { verbose: process.env['SEALIFT_LOG'] === 'debug' }),
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    isTty: process.stdin.isTTY && process.stdout.isTTY,
    signal,
  };
}
