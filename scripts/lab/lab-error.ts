import { CodedError } from '../../appliance/kernel/coded-error.ts';

/** What can go wrong in the lab, for programs. */
export type LabErrorCode =
  | 'PIN_UNKNOWN'
  | 'PROGRAM_FAILED'
  | 'BUILD_FAILED'
  | 'PACKAGES_FAILED'
  | 'NAME_INVALID'
  | 'NO_FREE_SUBNET'
  | 'NOT_ROOT'
  | 'LAB_MISSING'
  | 'STEP_FAILED'
  | 'DEADLINE';

/** An error of the lab: says which step or program failed and, in `fix`, where its log is. */
export class LabError extends CodedError<LabErrorCode> {}
