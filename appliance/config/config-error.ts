import { CodedError, type CodedErrorOptions } from '../kernel/coded-error.ts';

/** The codes of errors in what the operator configured. */
export type ConfigErrorCode = 'CONFIG_MISSING' | 'CONFIG_INVALID' | 'IMAGE_MISSING';

/** An error in `appliance.yaml`, or in what it needs of the bundle. */
export class ConfigError extends CodedError<ConfigErrorCode> {
  constructor(code: ConfigErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, { exitCode: 2, ...options });
  }
}
