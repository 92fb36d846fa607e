import { CodedError } from './kernel/coded-error.ts';

/** What the process says to the shell. Documented in docs/exit-codes.md. */
export const EXIT = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  refused: 3,
  actionNeeded: 4,
  unreachable: 5,
  interrupted: 130,
} as const;

/** An error that says by itself which exit code it means. */
export interface HasExitCode {
  readonly exitCode: number;
}

function hasExitCode(error: object): error is HasExitCode {
  return 'exitCode' in error && typeof error.exitCode === 'number';
}

/** The exit code for an error that ended a command: its own `exitCode`, else 1. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CodedError && hasExitCode(error)) return error.exitCode;
  return EXIT.unexpected;
}
