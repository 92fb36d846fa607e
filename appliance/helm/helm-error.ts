import { CodedError, type CodedErrorOptions } from '../kernel/coded-error.ts';

/** The codes of errors that come from Helm. */
export type HelmErrorCode = 'HELM_MISSING' | 'CHART_INVALID' | 'VALUES_INVALID' | 'RELEASE_FAILED' | 'HELM_TIMEOUT';

const EXIT_CODES: Record<HelmErrorCode, number> = {
  HELM_MISSING: 2,
  CHART_INVALID: 3,
  VALUES_INVALID: 2,
  RELEASE_FAILED: 5,
  HELM_TIMEOUT: 5,
};

/** An error of Helm: the program, a chart, its values or a release. */
export class HelmError extends CodedError<HelmErrorCode> {
  constructor(code: HelmErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, { exitCode: EXIT_CODES[code], ...options });
  }
}
