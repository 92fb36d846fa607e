import { CodedError } from '../appliance/kernel/coded-error.ts';

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

/** An error of the mirror: registries, blobs, closures and bundles. */
export class MirrorError extends CodedError<MirrorErrorCode> {}
