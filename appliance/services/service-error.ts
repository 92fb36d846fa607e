import { CodedError, type CodedErrorOptions } from '../kernel/coded-error.ts';

/** The codes of errors of the small servers. */
export type ServiceErrorCode = 'LISTEN_FAILED' | 'ADDRESS_INVALID' | 'CERTIFICATE_INVALID' | 'DISCOVERY_INVALID';

const EXIT_CODES: Partial<Record<ServiceErrorCode, number>> = { ADDRESS_INVALID: 2, CERTIFICATE_INVALID: 2 };

/** An error of the TUF server, the TLS proxy or the issuer relay. */
export class ServiceError extends CodedError<ServiceErrorCode> {
  constructor(code: ServiceErrorCode, message: string, options: CodedErrorOptions = {}) {
    const exitCode = EXIT_CODES[code];
    super(code, message, exitCode === undefined ? options : { exitCode, ...options });
  }
}
