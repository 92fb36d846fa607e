import { CodedError, type CodedErrorOptions } from '../kernel/coded-error.ts';

/** The codes of errors of the installer, with the exit code of each. */
const EXIT_CODES = {
  PREFLIGHT_FAILED: 4,
  NODES_NOT_PREPARED: 4,
  ANSWER_NEEDED: 2,
  PASSPHRASE_NEEDED: 4,
  KEYS_MISSING: 4,
  KEYS_MISMATCH: 3,
  LEASE_HELD: 4,
  STEP_FAILED: 1,
  STEP_UNFINISHED: 1,
  SERVICE_FAILED: 5,
  SERVICE_WRONG: 3,
  LOG_MISSING: 3,
  LOG_AMBIGUOUS: 3,
  ACCEPTANCE_FAILED: 3,
  BUNDLE_INCOMPLETE: 3,
  BUNDLE_OLDER: 3,
  NODE_FAILED: 1,
  REFUSED: 2,
} as const;

export type InstallerErrorCode = keyof typeof EXIT_CODES;

/** An error of the installer: something about the cluster, the site's keys or a step. */
export class InstallerError extends CodedError<InstallerErrorCode> {
  constructor(code: InstallerErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, { exitCode: EXIT_CODES[code], ...options });
  }
}
