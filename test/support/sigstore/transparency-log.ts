import { createHash, sign } from 'node:crypto';

import type { Clock } from '../../../appliance/kernel/clock.ts';
import { canonicalJson, type JsonValue } from '../../../appliance/kernel/json.ts';
import { type KeyPair, newKey } from './certificate.ts';

/** A log entry in the form of a Sigstore bundle's `tlogEntries`, JSON. */
export interface LogEntryJson {
  logIndex: string;
  logId: { keyId: string };
  kindVersion: { kind: string; version: string };
  integratedTime?: string;
  inclusionPromise?: { signedEntryTimestamp: string };
  inclusionProof?: {
    logIndex: string;
    rootHash: string;
    treeSize: string;
    hashes: string[];
    checkpoint: { envelope: string };
  };
  canonicalizedBody: string;
}

/** The body of an entry: its JSON and what it calls itself. */
export interface EntryBody {
  readonly kind: string;
  readonly apiVersion: string;
  readonly spec: JsonValue;
}

/** What to do differently than Rekor does. */
export interface AddOptions {
  /** First line of the checkpoint. */
  readonly origin?: string;
  /** Name on the checkpoint's signature line. */
  readonly signatureName?: string;
}

/** A Rekor with a Merkle tree of all its entries. */
export interface TransparencyLog {
  readonly version: 1 | 2;
  readonly baseUrl: string;
  readonly key: KeyPair;
  readonly logId: Buffer;
  readonly size: number;
  /** Adds an entry and proves it against a checkpoint of the tree as it then is. */
  add(body: EntryBody, options?: AddOptions): LogEntryJson;
  /** The checkpoint of the tree as it is now. */
  checkpoint(options?: AddOptions): string;
  rootHash(): Buffer;
  readonly origin: string;
}

const TREE_ID = '1234567890123456789';

/**
 * Makes a log at `host`. Version 1 (ECDSA) promises by SET and names its tree in the checkpoint's origin; version 2
 * (Ed25519) proves only. It starts with some entries, so that proofs have a path.
 */
export function newTransparencyLog(host: string, clock: Clock, version: 1 | 2): TransparencyLog {
  const key = newKey(version === 1 ? 'P-256' : 'Ed25519');
  const logId =
    version === 1 ? sha256(key.spki) : sha256(Buffer.from(`${host}\n\u0001`, 'latin1'), key.spki.subarray(-32));
  const leaves: Buffer[] = [1, 2, 3, 4, 5].map((seed) => sha256(Buffer.from([0, seed])));
  const origin = version === 1 ? `${host} - ${TREE_ID}` : host;
  const checkpoint = ({ origin: first = origin, signatureName = host }: AddOptions = {}): string => {
    const note = `${first}\n${leaves.length}\n${rootOf(leaves).toString('base64')}\n`;
    const signature = sign(version === 1 ? 'sha256' : null, Buffer.from(note), key.privateKey);
    const signed = Buffer.concat([logId.subarray(0, 4), signature]).toString('base64');
    return `${note}\n\u2014 ${signatureName} ${signed}\n`;
  };
  return {
    version,
    baseUrl: `https://${host}`,
    key,
    logId,
    origin,
    get size() {
      return leaves.length;
    },
    checkpoint,
    rootHash: () => rootOf(leaves),
    add: (body, options = {}) => {
      const bytes = Buffer.from(canonicalJson({ kind: body.kind, apiVersion: body.apiVersion, spec: body.spec }));
      const index = leaves.push(sha256(Buffer.from([0]), bytes)) - 1;
      const integratedTime = Math.floor(clock.now().getTime() / 1000);
      const entry: LogEntryJson = {
        logIndex: String(index),
        logId: { keyId: logId.toString('base64') },
        kindVersion: { kind: body.kind, version: body.apiVersion },
        inclusionProof: {
          logIndex: String(index),
          rootHash: rootOf(leaves).toString('base64'),
          treeSize: String(leaves.length),
          hashes: pathOf(leaves, index).map((hash) => hash.toString('base64')),
          checkpoint: { envelope: checkpoint(options) },
        },
        canonicalizedBody: bytes.toString('base64'),
      };
      if (version === 1) Object.assign(entry, promise(bytes, { index, integratedTime, logId, key }));
      return entry;
    },
  };
}

interface PromiseParts {
  readonly index: number;
  readonly integratedTime: number;
  readonly logId: Buffer;
  readonly key: KeyPair;
}

function promise(body: Buffer, { index, integratedTime, logId, key }: PromiseParts) {
  const payload = { body: body.toString('base64'), integratedTime, logID: logId.toString('hex'), logIndex: index };
  const signedEntryTimestamp = sign('sha256', Buffer.from(canonicalJson(payload)), key.privateKey).toString('base64');
  return { integratedTime: String(integratedTime), inclusionPromise: { signedEntryTimestamp } };
}

function sha256(...parts: readonly Buffer[]): Buffer {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** The largest power of two below `size`: where RFC 6962 §2.1 splits a tree. */
function splitOf(size: number): number {
  return 2 ** Math.floor(Math.log2(size - 1));
}

function rootOf(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves;
  if (leaves.length === 1 && only !== undefined) return only;
  const split = splitOf(leaves.length);
  return sha256(Buffer.from([1]), rootOf(leaves.slice(0, split)), rootOf(leaves.slice(split)));
}

function pathOf(leaves: readonly Buffer[], index: number): Buffer[] {
  if (leaves.length === 1) return [];
  const split = splitOf(leaves.length);
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  return index < split ? [...pathOf(left, index), rootOf(right)] : [...pathOf(right, index - split), rootOf(left)];
}
