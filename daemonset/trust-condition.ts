/** The Node condition by which an agent says that its node holds verified trust. */
export const TRUST_SYNCED = 'TrustSynced';

/**
 * Why a node's trust is as it is. With status True: `Synced` follows the site's repository. The others hold on to the last
 * good generation: `LastKnownGood` could not reach the repository, `UpdateRefused` was offered something that does not
 * verify or goes back, `EvidenceMissing` could not get all evidence, `DiskFull` and `UpdateFailed` could not write.
 * With status False: `NoGeneration` has none that verifies, `HostsFailed` could not write hosts.toml.
 */
export const TRUST_REASONS = [
  'Synced',
  'LastKnownGood',
  'UpdateRefused',
  'EvidenceMissing',
  'DiskFull',
  'UpdateFailed',
  'NoGeneration',
  'HostsFailed',
] as const;

export type TrustReason = (typeof TRUST_REASONS)[number];

/** What an agent says about its node. */
export interface TrustReport {
  readonly synced: boolean;
  readonly reason: TrustReason;
  /** The boot that the trust was verified in (`/proc/sys/kernel/random/boot_id`). */
  readonly bootId: string;
  /** The generation in use, and when the site signed it. */
  readonly generation?: { readonly number: number; readonly signedAt: Date };
  /** What went wrong, for people. */
  readonly detail?: string;
}

/** A Node condition as the API has it. */
export interface NodeCondition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly lastHeartbeatTime: string;
  readonly lastTransitionTime: string;
}

const MAX_DETAIL = 512;
const MESSAGE =
  /^boot=([0-9a-f-]{36})(?: generation=([0-9]{1,15}) signedAt=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?Z))?(?:; (.*))?$/s;
const BOOT_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** True for a boot id as the kernel writes it. */
export function isBootId(text: string): boolean {
  return BOOT_ID.test(text);
}

/**
 * The condition that says `report`. Its message is `boot=<id> generation=<n> signedAt=<time>`, and after `; ` what went
 * wrong.
 * @param before the condition that is there: the transition time moves only when the status does.
 */
export function conditionOf(report: TrustReport, now: Date, before?: NodeCondition): NodeCondition {
  const status = report.synced ? 'True' : 'False';
  const time = seconds(now);
  return {
    type: TRUST_SYNCED,
    status,
    reason: report.reason,
    message: messageOf(report),
    lastHeartbeatTime: time,
    lastTransitionTime: before?.status === status ? before.lastTransitionTime : time,
  };
}

function messageOf({ bootId, generation, detail }: TrustReport): string {
  const state =
    generation === undefined ? '' : ` generation=${generation.number} signedAt=${generation.signedAt.toISOString()}`;
  const problem = detail === undefined || detail === '' ? '' : `; ${detail.slice(0, MAX_DETAIL)}`;
  return `boot=${bootId}${state}${problem}`;
}

/** What a `TrustSynced` condition says; `undefined` when it is another condition or was not written by an agent. */
export function reportIn(
  condition: Pick<NodeCondition, 'type' | 'status' | 'reason' | 'message'>,
): TrustReport | undefined {
  if (condition.type !== TRUST_SYNCED) return undefined;
  const [, bootId, number, signedAt, detail] = MESSAGE.exec(condition.message) ?? [];
  if (bootId === undefined || !isReason(condition.reason)) return undefined;
  return {
    synced: condition.status === 'True',
    reason: condition.reason,
    bootId,
    ...(number === undefined || signedAt === undefined
      ? {}
      : { generation: { number: Number(number), signedAt: new Date(signedAt) } }),
    ...(detail === undefined ? {} : { detail }),
  };
}

function isReason(text: string): text is TrustReason {
  return TRUST_REASONS.some((reason) => reason === text);
}

function seconds(time: Date): string {
  return time.toISOString().replace(/\.\d{3}Z$/, 'Z');
}
