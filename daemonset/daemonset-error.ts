import { CodedError } from '../appliance/kernel/coded-error.ts';

/** The codes of everything that goes wrong on a node or in the controller of the nodes. */
export type DaemonsetErrorCode =
  // What is on the node
  | 'PATH_ESCAPES'
  | 'HOST_FILE_FAILED'
  | 'DISK_FULL'
  | 'HOSTS_TOML_INVALID'
  | 'REGISTRY_ADDRESS_INVALID'
  | 'CONTAINERD_VERSION_UNKNOWN'
  | 'PINNED_ROOT_WRONG'
  | 'PINNED_ROOT_DIFFERS'
  | 'BOOT_ID_UNREADABLE'
  // What the node is given
  | 'EVIDENCE_MISSING'
  | 'EVIDENCE_TOO_LARGE'
  | 'NO_GENERATION'
  | 'CONDITION_INVALID'
  | 'NODE_UNKNOWN'
  // The controller
  | 'LEASE_LOST'
  | 'CONFIG_INVALID';

/** An error of the node agent or of its controller. */
export class DaemonsetError extends CodedError<DaemonsetErrorCode> {}
