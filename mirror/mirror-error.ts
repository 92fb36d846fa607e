import { CodedError, type CodedErrorOptions } from '../appliance/kernel/coded-error.ts';

/** The codes of everything that goes wrong while content is read, carried and published. */
export type MirrorErrorCode =
  // Documents
  | 'DESCRIPTOR_INVALID'
  | 'MANIFEST_INVALID'
  | 'EVIDENCE_INDEX_INVALID'
  | 'INVENTORY_INVALID'
  // Content-addressed storage
  | 'BLOB_NOT_FOUND'
  | 'BLOB_CORRUPT'
  | 'BLOB_TOO_LARGE'
  // Registries
  | 'REGISTRY_URL_INVALID'
  | 'REGISTRY_AUTH_INVALID'
  | 'REGISTRY_UNREACHABLE'
  | 'REGISTRY_UNAUTHORIZED'
  | 'REGISTRY_STATUS'
  | 'REGISTRY_PROTOCOL'
  | 'REGISTRY_NOT_FOUND'
  // Closure of an image
  | 'PLATFORM_MISSING'
  | 'CLOSURE_TOO_LARGE'
  | 'SIZE_CONFLICT'
  // The archive
  | 'BUNDLE_NOT_FOUND'
  | 'BUNDLE_EXISTS'
  | 'BUNDLE_UNTRUSTED_KEY'
  | 'BUNDLE_SIGNATURE_INVALID'
  | 'BUNDLE_DIGEST_MISMATCH'
  | 'BUNDLE_TRUNCATED'
  | 'BUNDLE_TRAILING_DATA'
  | 'BUNDLE_MALFORMED'
  | 'BUNDLE_INCOMPLETE'
  | 'BUNDLE_WRITE_FAILED'
  | 'INTERRUPTED';

// The numbers of docs/exit-codes.md: 2 wrong usage, 3 refused, 5 can't be reached, 130 interrupted.
const UNEXPECTED = 1;
const EXIT_CODES: Partial<Record<MirrorErrorCode, number>> = {
  REGISTRY_URL_INVALID: 2,
  REGISTRY_AUTH_INVALID: 2,
  BUNDLE_NOT_FOUND: 2,
  BUNDLE_EXISTS: 2,
  BLOB_CORRUPT: 3,
  BUNDLE_UNTRUSTED_KEY: 3,
  BUNDLE_SIGNATURE_INVALID: 3,
  BUNDLE_DIGEST_MISMATCH: 3,
  BUNDLE_TRUNCATED: 3,
  BUNDLE_TRAILING_DATA: 3,
  BUNDLE_MALFORMED: 3,
  BUNDLE_INCOMPLETE: 3,
  INVENTORY_INVALID: 3,
  REGISTRY_UNREACHABLE: 5,
  INTERRUPTED: 130,
};

/** What a registry answered that is behind an error. */
export interface HttpOutcome {
  readonly status: number;
  /** The pause that it asked for (`Retry-After`). */
  readonly retryAfterMs?: number;
}

/** An error of the mirror: registries, blobs, closures and bundles. */
export class MirrorError extends CodedError<MirrorErrorCode> {
  readonly http: HttpOutcome | undefined;

  constructor(code: MirrorErrorCode, message: string, options: CodedErrorOptions & { http?: HttpOutcome } = {}) {
    super(code, message, { exitCode: EXIT_CODES[code] ?? UNEXPECTED, ...options });
    this.http = options.http;
  }
}
