import { createHash, verify } from 'node:crypto';

import type { LogEntry } from './log-entry.ts';
import type { TrustedLog } from './trust-material.ts';

/** A log's statement that its tree of `size` leaves has the root hash `rootHash`. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: bigint;
  readonly rootHash: Buffer;
}

interface NoteSignature {
  readonly name: string;
  readonly keyHint: Buffer;
  readonly signature: Buffer;
}

const MAX_NOTE_BYTES = 64 * 1024;
const MAX_SIGNATURES = 16;
// Plain decimal without leading zeros, below 2^63 (C2SP tlog-checkpoint).
const SIZE = /^(?:0|[1-9][0-9]{0,18})$/;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const TREE_ID = /^[0-9]{1,20}$/;

/**
 * Proves that an entry is in its log: the checkpoint is by exactly this log (origin, name and key id compared as they
 * are, never as patterns or substrings), and the entry's hash leads to its root hash (RFC 6962 §2.1.1).
 */
export function proveInclusion(entry: LogEntry, log: TrustedLog): Checkpoint | { readonly fault: string } {
  const proof = entry.inclusionProof;
  const note = proof?.checkpoint?.envelope;
  if (proof === undefined || note === undefined) return { fault: 'the entry has no inclusion proof' };
  const checkpoint = readCheckpoint(note, log);
  if ('fault' in checkpoint) return checkpoint;
  if (!/^[0-9]{1,19}$/.test(proof.logIndex)) return { fault: 'the inclusion proof has a malformed index' };
  const leaf = hash(Buffer.from([0]), entry.canonicalizedBody);
  const root = rootFromPath(leaf, proof.hashes, { index: BigInt(proof.logIndex), size: checkpoint.size });
  if (root?.equals(checkpoint.rootHash) !== true) {
    return { fault: 'the inclusion proof does not lead to the root hash of the checkpoint' };
  }
  return checkpoint;
}

/** Reads a signed note and checks that `log` made it. */
function readCheckpoint(note: string, log: TrustedLog): Checkpoint | { readonly fault: string } {
  const parts = splitNote(note);
  const checkpoint = parts === undefined ? undefined : readBody(parts.body);
  if (parts === undefined || checkpoint === undefined) return { fault: 'the checkpoint is malformed' };
  const { checkpointName, keyHint } = log;
  if (!isOriginOf(checkpoint.origin, log)) {
    const origin = JSON.stringify(checkpoint.origin.slice(0, 100));
    return { fault: `the checkpoint is of the log ${origin}, not of ${checkpointName}` };
  }
  const own = parts.signatures.filter((one) => one.name === checkpointName && one.keyHint.equals(keyHint));
  if (own.length === 0) return { fault: `${checkpointName} has not signed the checkpoint` };
  // C2SP signed-note: a signature under a known name and key that does not verify spoils the whole note.
  const bytes = Buffer.from(parts.body, 'utf8');
  return own.every(({ signature }) => isSignedBy(bytes, signature, log))
    ? checkpoint
    : { fault: "the checkpoint's signature is invalid" };
}

function readBody(body: string): Checkpoint | undefined {
  const [origin = '', size = '', root = ''] = body.split('\n');
  if (origin === '' || !SIZE.test(size) || !BASE64.test(root)) return undefined;
  const rootHash = Buffer.from(root, 'base64');
  const isCanonical = rootHash.length === 32 && rootHash.toString('base64') === root;
  return isCanonical ? { origin, size: BigInt(size), rootHash } : undefined;
}

/** Rekor v2 uses the name itself, Rekor v1 appends its tree id: `name - 123`. */
function isOriginOf(origin: string, { checkpointName }: TrustedLog): boolean {
  const separator = `${checkpointName} - `;
  return origin === checkpointName || (origin.startsWith(separator) && TREE_ID.test(origin.slice(separator.length)));
}

function splitNote(note: string): { body: string; signatures: NoteSignature[] } | undefined {
  if (note.length > MAX_NOTE_BYTES || !note.endsWith('\n')) return undefined;
  const split = note.lastIndexOf('\n\n');
  if (split === -1) return undefined;
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) return undefined;
  const signatures = lines.map(readSignature).filter((signature) => signature !== undefined);
  return signatures.length === lines.length ? { body: note.slice(0, split + 1), signatures } : undefined;
}

function readSignature(line: string): NoteSignature | undefined {
  const [dash, name, encoded, ...rest] = line.split(' ');
  if (dash !== '\u2014' || name === undefined || name === '' || encoded === undefined || rest.length > 0)
    return undefined;
  if (!BASE64.test(encoded)) return undefined;
  const bytes = Buffer.from(encoded, 'base64');
  return bytes.length < 5 ? undefined : { name, keyHint: bytes.subarray(0, 4), signature: bytes.subarray(4) };
}

function isSignedBy(bytes: Buffer, signature: Buffer, { key }: TrustedLog): boolean {
  try {
    return verify(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', bytes, key, signature);
  } catch {
    return false;
  }
}

/** The root hash that a leaf and its path lead to (RFC 9162 §2.1.3.2); nothing when the path has another length. */
function rootFromPath(
  leaf: Buffer,
  path: readonly Buffer[],
  { index, size }: { index: bigint; size: bigint },
): Buffer | undefined {
  if (index >= size || path.some((node) => node.length !== 32)) return undefined;
  let position = index;
  let last = size - 1n;
  let root = leaf;
  for (const node of path) {
    if (last === 0n) return undefined;
    if (position % 2n === 1n || position === last) {
      root = hash(Buffer.from([1]), node, root);
      while (position % 2n === 0n && position !== 0n) {
        position >>= 1n;
        last >>= 1n;
      }
    } else {
      root = hash(Buffer.from([1]), root, node);
    }
    position >>= 1n;
    last >>= 1n;
  }
  return last === 0n ? root : undefined;
}

function hash(...parts: readonly Buffer[]): Buffer {
  const sha256 = createHash('sha256');
  for (const part of parts) sha256.update(part);
  return sha256.digest();
}
