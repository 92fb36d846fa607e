import { CodedError, type CodedErrorOptions } from '../kernel/coded-error.ts';

/** Why no verdict could be reached, or why a document that verdicts rest on was refused. */
export type VerificationErrorCode =
  /** Nothing is known about the image here: it was never taken in, or its evidence could not be read. */
  | 'EVIDENCE_UNAVAILABLE'
  /** More evidence than is read for one image. */
  | 'EVIDENCE_TOO_LARGE'
  /** A ClusterImagePolicy or a file of policies that is not one. */
  | 'POLICY_INVALID'
  /** A trusted root or TrustRoot that can't be used. */
  | 'TRUST_ROOT_INVALID'
  /** What a command ends with when its verdict is a denial. */
  | 'IMAGE_DENIED'
  /** Wrong use on the command line, or a file that can't be read. */
  | 'OPTION_INVALID';

const EXIT_CODES: Readonly<Record<VerificationErrorCode, number>> = {
  EVIDENCE_UNAVAILABLE: 3,
  EVIDENCE_TOO_LARGE: 3,
  POLICY_INVALID: 2,
  TRUST_ROOT_INVALID: 3,
  IMAGE_DENIED: 3,
  OPTION_INVALID: 2,
};

/** "Could not decide": the webhook turns it into a denial, the command line into an exit code. Never cached. */
export class VerificationError extends CodedError<VerificationErrorCode> {
  constructor(code: VerificationErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, { exitCode: EXIT_CODES[code], ...options });
  }
}
