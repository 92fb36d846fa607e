import { type Checkpoint, parseCheckpoint, verifyCheckpoint } from '../../trust-root/checkpoint.ts';
import { leafHash, verifyInclusion } from '../../trust-root/merkle.ts';
import { describeError } from '../kernel/coded-error.ts';
import type { LogEntry } from './log-entry.ts';
import type { TrustedLog } from './trust-material.ts';

const TREE_ID = /^[0-9]{1,20}$/;
const INDEX = /^[0-9]{1,19}$/;

/**
 * Proves that an entry is in its log: the checkpoint is by exactly this log (origin, name and key id compared as they
 * are, never as patterns or substrings), and the entry's hash leads to its root hash (RFC 6962 §2.1.1).
 */
export function proveInclusion(entry: LogEntry, log: TrustedLog): Checkpoint | { readonly fault: string } {
  const proof = entry.inclusionProof;
  const note = proof?.checkpoint?.envelope;
  if (proof === undefined || note === undefined) return { fault: 'the entry has no inclusion proof' };
  if (!INDEX.test(proof.logIndex)) return { fault: 'the inclusion proof has a malformed index' };
  try {
    const { origin } = parseCheckpoint(note);
    if (!isOriginOf(origin, log)) {
      return { fault: `the checkpoint is of ${JSON.stringify(origin.slice(0, 100))}, not of ${log.checkpointName}` };
    }
    const checkpoint = verifyCheckpoint(note, { origin, keyName: log.checkpointName, publicKey: log.key });
    const leaf = leafHash(entry.canonicalizedBody);
    const claim = { leaf, index: BigInt(proof.logIndex), treeSize: checkpoint.size, root: checkpoint.root };
    verifyInclusion(claim, proof.hashes);
    return checkpoint;
  } catch (error) {
    return { fault: describeError(error) };
  }
}

/** Rekor v2 uses the name itself, Rekor v1 appends its tree id: `name - 123`. */
function isOriginOf(origin: string, { checkpointName }: TrustedLog): boolean {
  const separator = `${checkpointName} - `;
  return origin === checkpointName || (origin.startsWith(separator) && TREE_ID.test(origin.slice(separator.length)));
}
