import { createHash, type KeyObject, verify } from 'node:crypto';

import { algorithmOf, publicKeyDer } from './keys.ts';
import { TrustRootError } from './trust-root-error.ts';

/** One signature line of a note. The name is chosen by whoever wrote the note: compare it, never build a pattern from it. */
export interface NoteSignature {
  readonly name: string;
  /** The first four bytes of the key's id. */
  readonly keyHint: Buffer;
  readonly signature: Buffer;
}

/** A parsed checkpoint (C2SP tlog-checkpoint); nothing of it is verified. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: bigint;
  readonly root: Buffer;
  /** Extension lines after the root, as they are. */
  readonly extensions: readonly string[];
  /** What signatures are over: the note's text with its last newline. */
  readonly signedText: string;
  readonly signatures: readonly NoteSignature[];
}

/** A log as a verifier knows it out of its trust root. */
export interface CheckpointVerifier {
  /** Exactly the first line. */
  readonly origin: string;
  /** Exactly the name of the signature line: for Rekor v1 the host, for tiled logs the origin. */
  readonly keyName: string;
  readonly publicKey: KeyObject;
}

const MAX_BYTES = 16 * 1024;
const MAX_SIGNATURES = 16;
const MAX_SIZE = 2n ** 63n - 1n;

/**
 * Parses a checkpoint strictly: C2SP signed-note (UTF-8, no control characters, a blank line, `— name base64` lines) holding
 * a tlog-checkpoint (origin, size without leading zeros, 32-byte root).
 * @throws TrustRootError `CHECKPOINT_INVALID`.
 */
export function parseCheckpoint(note: string): Checkpoint {
  if (Buffer.byteLength(note) > MAX_BYTES) throw invalid(`longer than ${MAX_BYTES} bytes`);
  if (/[\u0000-\u0009\u000b-\u001f\ufffd]/.test(note))
    throw invalid('a control character, or bytes that are not UTF-8');
  const split = note.lastIndexOf('\n\n');
  if (split === -1) throw invalid('no blank line before the signatures');
  const signedText = note.slice(0, split + 1);
  const signatureText = note.slice(split + 2);
  if (!signatureText.endsWith('\n')) throw invalid('no newline at its end');
  return { ...parseTree(signedText), signedText, signatures: parseSignatures(signatureText) };
}

/** The note's text as a tree head: origin, size, root, and whatever lines follow (C2SP tlog-checkpoint). */
function parseTree(signedText: string): Pick<Checkpoint, 'origin' | 'size' | 'root' | 'extensions'> {
  const [origin = '', size = '', root = '', ...extensions] = signedText.slice(0, -1).split('\n');
  if (origin === '') throw invalid('no origin');
  if (!/^(?:0|[1-9]\d{0,18})$/.test(size) || BigInt(size) > MAX_SIZE) throw invalid('the size is not a decimal number');
  return { origin, size: BigInt(size), root: base64(root, 'the root', 32), extensions };
}

function parseSignatures(text: string): NoteSignature[] {
  const lines = text.slice(0, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw invalid(`more than ${MAX_SIGNATURES} signatures`);
  return lines.map((line) => {
    const [, name, encoded] = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/u.exec(line) ?? [];
    if (name === undefined || encoded === undefined) throw invalid('a malformed signature line');
    const bytes = base64(encoded, 'a signature');
    if (bytes.byteLength < 5) throw invalid('a signature too short for its key id');
    return { name, keyHint: bytes.subarray(0, 4), signature: bytes.subarray(4) };
  });
}

function base64(text: string, what: string, length?: number): Buffer {
  const bytes = Buffer.from(text, 'base64');
  // Node takes sloppy base64; only the one canonical form is the same note.
  if (bytes.toString('base64') !== text || (length !== undefined && bytes.byteLength !== length)) {
    throw invalid(`${what} is not base64${length === undefined ? '' : ` of ${length} bytes`}`);
  }
  return bytes;
}

/**
 * The four bytes that a key puts before its signatures: for Ed25519 the start of sha256(name, newline, 0x01, key) (C2SP
 * signed-note); for ECDSA the start of sha256(SPKI), as Rekor writes it.
 */
export function checkpointKeyHint(keyName: string, publicKey: KeyObject): Buffer {
  const der = publicKeyDer(publicKey);
  const hash = createHash('sha256');
  if (algorithmOf(publicKey) === 'p256') return hash.update(der).digest().subarray(0, 4);
  return hash.update(`${keyName}\n\u0001`).update(der.subarray(-32)).digest().subarray(0, 4);
}

/**
 * Parses a checkpoint and checks that this very log signed it: its origin, the signature's name and key id, each exactly,
 * and the signature. Other signatures (witnesses) are left alone.
 * @throws TrustRootError `CHECKPOINT_INVALID`.
 */
export function verifyCheckpoint(note: string, { origin, keyName, publicKey }: CheckpointVerifier): Checkpoint {
  const checkpoint = parseCheckpoint(note);
  if (checkpoint.origin !== origin) {
    throw invalid(`its origin is ${JSON.stringify(checkpoint.origin.slice(0, 200))}, not ${JSON.stringify(origin)}`);
  }
  const hint = checkpointKeyHint(keyName, publicKey);
  const own = checkpoint.signatures.filter((line) => line.name === keyName && line.keyHint.equals(hint));
  const message = Buffer.from(checkpoint.signedText);
  const algorithm = algorithmOf(publicKey) === 'p256' ? 'sha256' : null;
  if (own.length !== 1) throw invalid(`${own.length} signatures of ${keyName} with the log's key id; one must be`);
  const isGood = own.every(({ signature }) => verify(algorithm, message, publicKey, signature));
  if (!isGood) throw invalid(`the signature of ${keyName} does not verify`);
  return checkpoint;
}

function invalid(reason: string): TrustRootError {
  return new TrustRootError('CHECKPOINT_INVALID', `checkpoint: ${reason}`);
}
