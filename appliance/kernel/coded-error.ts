/** What an error says besides its message: where it came from, and what to do about it. */
export interface CodedErrorOptions {
  /** The error that led to this one. */
  readonly cause?: unknown;
  /** The next step for the person who reads this: a command or a change, in one line. */
  readonly fix?: string;
  /** The exit code of a command that this error ends; see docs/exit-codes.md. 1 unless told. */
  readonly exitCode?: number;
}

/**
 * Base of every error that Sealift raises on purpose: a closed `code` for programs, a message for people,
 * the next step in `fix`, and the original error in `cause`. One subclass for each top-level folder.
 */
export abstract class CodedError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly fix: string | undefined;
  readonly exitCode: number | undefined;

  constructor(code: Code, message: string, options: CodedErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.fix = options.fix;
    this.exitCode = options.exitCode;
  }
}

/** The codes of the kernel's own errors. */
export type KernelErrorCode =
  | 'DIGEST_INVALID'
  | 'REFERENCE_INVALID'
  | 'JSON_INVALID'
  | 'JSON_TOO_DEEP'
  | 'TOO_LARGE'
  | 'FETCH_FAILED'
  | 'FETCH_STATUS'
  | 'TIMEOUT';

/** An error of the parts that every folder shares. */
export class KernelError extends CodedError<KernelErrorCode> {}

/** The message of anything thrown, and of its causes, joined with `: `; at most eight deep. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  for (let depth = 0; depth < 8 && current !== undefined; depth += 1) {
    if (!(current instanceof Error)) {
      parts.push(typeof current === 'string' ? current : JSON.stringify(current));
      break;
    }
    // A refused connection to several addresses is an AggregateError with an empty message of its own.
    const inner: unknown = current instanceof AggregateError ? current.errors[0] : undefined;
    if (current.message !== '' && !parts.includes(current.message)) parts.push(current.message);
    current = current.cause ?? inner;
  }
  return parts.join(': ');
}
