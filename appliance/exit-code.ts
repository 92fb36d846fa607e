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

/** The exit code for an error that ended a command: its own `exitCode`, else 1. */
export function exitCodeOf(error: unknown): number {
  return error instanceof CodedError ? (error.exitCode ?? EXIT.unexpected) : EXIT.unexpected;
}
