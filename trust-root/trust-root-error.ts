import { CodedError, type CodedErrorOptions } from '../appliance/kernel/coded-error.ts';

/** Verification said no: exit code 3. */
type RefusalCode =
  | 'METADATA_INVALID'
  | 'METADATA_MISSING'
  | 'SIGNATURES_BELOW_THRESHOLD'
  | 'VERSION_ROLLBACK'
  | 'VERSION_MISMATCH'
  | 'ROLE_EXPIRED'
  | 'HASH_MISMATCH'
  | 'LENGTH_MISMATCH'
  | 'KEY_REUSED'
  | 'KEY_ID_WRONG'
  | 'ROOT_CHAIN_TOO_LONG'
  | 'PINNED_ROOT_DIFFERS'
  | 'CLOCK_BEFORE_FLOOR'
  | 'TARGET_UNKNOWN'
  | 'DELEGATIONS_TOO_MANY'
  | 'FLOOR_INVALID'
  | 'GENERATION_INVALID'
  | 'GENERATION_BACKWARD'
  | 'CAPSULE_INVALID'
  | 'CAPSULE_BACKWARD'
  | 'CAPSULE_TIME'
  | 'CHECKPOINT_INVALID'
  | 'PROOF_INVALID';

/** The input or the configuration is wrong: exit code 2. */
type UsageCode =
  | 'NAME_INVALID'
  | 'DOCUMENT_INVALID'
  | 'CERTIFICATE_INVALID'
  | 'KEY_UNSUPPORTED'
  | 'KEY_FILE_EXISTS'
  | 'KEY_FILE_INVALID'
  | 'PASSPHRASE_WRONG'
  | 'PASSPHRASE_EMPTY'
  | 'CONFIG_INVALID'
  | 'SIGNER_MISSING'
  | 'AUTHORING_REFUSED'
  | 'REPOSITORY_EXISTS'
  | 'REPOSITORY_MISSING';

/** Something outside could not be reached or changed under our hands: exit code 5. */
type UnreachableCode = 'FETCH_FAILED' | 'STORE_CONFLICT' | 'STORE_FAILED';

/** Somebody must act: exit code 4. */
type ActionCode = 'ROLES_DUE';

/** The codes of this folder's errors. */
export type TrustRootErrorCode = RefusalCode | UsageCode | UnreachableCode | ActionCode;

const USAGE: ReadonlySet<TrustRootErrorCode> = new Set<UsageCode>([
  'NAME_INVALID',
  'DOCUMENT_INVALID',
  'CERTIFICATE_INVALID',
  'KEY_UNSUPPORTED',
  'KEY_FILE_EXISTS',
  'KEY_FILE_INVALID',
  'PASSPHRASE_WRONG',
  'PASSPHRASE_EMPTY',
  'CONFIG_INVALID',
  'SIGNER_MISSING',
  'AUTHORING_REFUSED',
  'REPOSITORY_EXISTS',
  'REPOSITORY_MISSING',
]);
const UNREACHABLE: ReadonlySet<TrustRootErrorCode> = new Set<UnreachableCode>([
  'FETCH_FAILED',
  'STORE_CONFLICT',
  'STORE_FAILED',
]);

function exitCodeFor(code: TrustRootErrorCode): number {
  if (code === 'ROLES_DUE') return 4;
  if (USAGE.has(code)) return 2;
  return UNREACHABLE.has(code) ? 5 : 3;
}

/** An error of the trust root: authoring, following and checking. */
export class TrustRootError extends CodedError<TrustRootErrorCode> {
  constructor(code: TrustRootErrorCode, message: string, options: CodedErrorOptions = {}) {
    super(code, message, { exitCode: exitCodeFor(code), ...options });
  }
}
