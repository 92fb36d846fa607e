import { CodedError, describeError } from '../kernel/coded-error.ts';

/** The codes of the webhook's own errors. Each one ends in a denial, never in an admission. */
export type WebhookErrorCode =
  | 'REVIEW_INVALID'
  | 'OBJECT_MALFORMED'
  | 'KIND_UNKNOWN'
  | 'NOT_READY'
  | 'DEADLINE_EXCEEDED'
  | 'DIGEST_UNRESOLVED'
  | 'REGISTRY_FAILED'
  | 'TRUST_EXPIRED'
  | 'ROOT_MISMATCH'
  | 'CERTIFICATE_INVALID'
  | 'WEBHOOK_UNREACHABLE'
  | 'CONFIG_INVALID';

/** An error of the admission webhook. */
export class WebhookError extends CodedError<WebhookErrorCode> {}

/** An error's code, message and next step, as they are told to people; `UNEXPECTED` for one that nobody foresaw. */
export interface ToldError {
  readonly code: string;
  readonly message: string;
  readonly fix?: string;
}

/** What there is to tell of anything thrown. */
export function toldError(error: unknown): ToldError {
  const message = describeError(error);
  if (!(error instanceof CodedError)) return { code: 'UNEXPECTED', message };
  const code: unknown = error.code;
  return { code: String(code), message, ...(error.fix === undefined ? {} : { fix: error.fix }) };
}
