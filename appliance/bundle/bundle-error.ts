import { CodedError, type CodedErrorOptions } from '../kernel/coded-error.ts';

/** The codes of errors in what a bundle is made of. */
export type BundleErrorCode =
  | 'CONFIG_MISSING'
  | 'CONFIG_INVALID'
  | 'HELM_MISSING'
  | 'CHART_INVALID'
  | 'KEY_FILE_INVALID'
  | 'KEY_FILE_EXISTS'
  | 'PASSPHRASE_MISSING'
  | 'TRUST_KEY_INVALID';

const EXIT_CODES: Record<BundleErrorCode, number> = {
  CONFIG_MISSING: 2,
  CONFIG_INVALID: 2,
  HELM_MISSING: 2,
  CHART_INVALID: 3,
  KEY_FILE_INVALID: 2,
  KEY_FILE_EXISTS: 2,
  PASSPHRASE_MISSING: 2,
  TRUST_KEY_INVALID: 2,
};

/** An error in `bundle.yaml`, or in what it names. */
export class BundleError extends CodedError<BundleErrorCode> {
  constructor(code: BundleErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, { exitCode: EXIT_CODES[code], ...options });
  }
}
