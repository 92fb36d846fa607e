import { CodedError, type CodedErrorOptions } from '../kernel/coded-error.ts';

/** The codes of errors that come from talking to a cluster. */
export type KubeErrorCode =
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'CONFLICT'
  | 'INVALID'
  | 'FORBIDDEN'
  | 'UNAUTHORIZED'
  | 'EXPIRED'
  | 'KIND_UNKNOWN'
  | 'NOT_READY'
  | 'TIMEOUT'
  | 'TOO_LARGE'
  | 'UNREACHABLE'
  | 'SERVER_ERROR'
  | 'KUBECONFIG_INVALID';

const EXIT_CODES: Partial<Record<KubeErrorCode, number>> = {
  KUBECONFIG_INVALID: 2,
  FORBIDDEN: 4,
  UNAUTHORIZED: 4,
  TIMEOUT: 5,
  UNREACHABLE: 5,
  SERVER_ERROR: 5,
};

/** An error from the cluster, or from the way to it. */
export class KubeError extends CodedError<KubeErrorCode> {
  constructor(code: KubeErrorCode, message: string, options: CodedErrorOptions = {}) {
    const exitCode = options.exitCode ?? EXIT_CODES[code];
    super(code, message, exitCode === undefined ? options : { ...options, exitCode });
  }
}

/** True when `error` is a {@link KubeError} with one of `codes`. */
export function isKubeError(error: unknown, ...codes: readonly KubeErrorCode[]): error is KubeError {
  return error instanceof KubeError && codes.includes(error.code);
}
