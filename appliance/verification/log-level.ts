import type { Checkpoint } from '../../trust-root/checkpoint.ts';
import type { LogEntry } from './log-entry.ts';
import { proveInclusion } from './log-proof.ts';
import type { TrustedLog, Window } from './trust-material.ts';
import { isAtLeast, type ReasonCode, type TransparencyLevel } from './verdict.ts';

/** A checkpoint that this site holds and has verified. */
export interface LogAnchor {
  readonly origin: string;
  readonly size: bigint;
  readonly rootHash: Buffer;
}

interface Fault {
  readonly code: ReasonCode;
  readonly fault: string;
}

interface Transparency {
  /** The highest level that one of the entries reaches. */
  readonly level: TransparencyLevel;
  /** How many different log keys vouch at that level or below. */
  readonly distinctLogs: number;
}

interface LogTrust {
  readonly logs: readonly TrustedLog[];
  readonly anchors: readonly LogAnchor[];
  /** Times at which the entry was made, as proved; a log's key must be valid at each. */
  readonly signedAt: readonly Date[];
}

/**
 * The level at which the entries tie a signature to the domain's logs. The library has checked promises before.
 * Missing proofs lower the level; a proof that is wrong or contradicts an anchor is a fault.
 */
export function transparencyOf(entries: readonly LogEntry[], trust: LogTrust): Transparency | Fault {
  const levels: TransparencyLevel[] = [];
  const keys = new Set<string>();
  for (const entry of entries) {
    const log = trust.logs.find(({ logId }) => logId.equals(entry.logId.keyId));
    if (log === undefined) return { code: 'UNTRUSTED_LOG', fault: 'its log entry is of a log that is not trusted' };
    const untimely = trust.signedAt.find((time) => !isWithin(time, log.validFor));
    if (untimely !== undefined) {
      return {
        code: 'UNTRUSTED_LOG',
        fault: `the key of the log ${log.checkpointName} was not valid at ${untimely.toISOString()}`,
      };
    }
    const level = levelOf(entry, log, trust.anchors);
    if (typeof level !== 'string') return level;
    levels.push(level);
    keys.add(log.keyId);
  }
  // Two entries of one log are one witness: what counts is keys.
  const level = levels.reduce<TransparencyLevel>((best, next) => (isAtLeast(next, best) ? next : best), 'none');
  return { level, distinctLogs: keys.size };
}

function levelOf(entry: LogEntry, log: TrustedLog, anchors: readonly LogAnchor[]): TransparencyLevel | Fault {
  if (entry.inclusionProof === undefined) return 'promised';
  const proved = proveInclusion(entry, log);
  if ('fault' in proved) return { code: 'LOG_PROOF_INVALID', fault: proved.fault };
  return againstAnchors(proved, anchors);
}

function againstAnchors(checkpoint: Checkpoint, anchors: readonly LogAnchor[]): TransparencyLevel | Fault {
  const anchor = anchors.find(({ origin, size }) => origin === checkpoint.origin && size === checkpoint.size);
  if (anchor === undefined) return 'included';
  if (anchor.rootHash.equals(checkpoint.root)) return 'anchored';
  return {
    code: 'LOG_CONTRADICTION',
    fault: `the log ${checkpoint.origin} has shown two different trees of ${checkpoint.size} entries`,
  };
}

function isWithin(time: Date, { start, end }: Window): boolean {
  return start <= time && (end === undefined || time <= end);
}
