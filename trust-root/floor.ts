import { readFile } from 'node:fs/promises';

import { z } from 'zod';

import { writeFileAtomic } from '../appliance/kernel/atomic-file.ts';
import { parseStrictJson } from './strict-json.ts';
import { TrustRootError } from './trust-root-error.ts';
import type { KeptMetadata } from './tuf-client.ts';
import { parseTimestamp } from './tuf-documents.ts';

/**
 * What a node goes never below: the signed documents that it has seen last. They are checked from the pinned root on each
 * use, so a floor can be lowered only by who can sign, and never by editing a number.
 */
export interface Floor {
  /** Every root from the pinned one on. */
  readonly roots: readonly Buffer[];
  readonly timestamp: Buffer;
  readonly snapshot: Buffer;
}

const MAX_FLOOR_BYTES = 64 * 1024 * 1024;

const base64 = z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/);
const floorFile = z.strictObject({
  schemaVersion: z.literal(1),
  roots: z.array(base64).min(1).max(4096),
  timestamp: base64,
  snapshot: base64,
});

/** Reads a floor; `undefined` when there is none yet. @throws TrustRootError `FLOOR_INVALID`. */
export async function readFloor(file: string): Promise<Floor | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new TrustRootError('FLOOR_INVALID', `${file}: could not be read`, { cause: error });
  }
  const parsed = floorFile.safeParse(
    parseStrictJson(bytes, file, { maxBytes: MAX_FLOOR_BYTES, code: 'FLOOR_INVALID' }),
  );
  if (!parsed.success) throw new TrustRootError('FLOOR_INVALID', `${file}: ${z.prettifyError(parsed.error)}`);
  const decode = (text: string): Buffer => Buffer.from(text, 'base64');
  const { roots, timestamp, snapshot } = parsed.data;
  return { roots: roots.map(decode), timestamp: decode(timestamp), snapshot: decode(snapshot) };
}

/** Writes a floor, whole or not at all. */
export async function writeFloor(file: string, { roots, timestamp, snapshot }: Floor): Promise<void> {
  const encode = (bytes: Buffer): string => bytes.toString('base64');
  const content = {
    schemaVersion: 1,
    roots: roots.map(encode),
    timestamp: encode(timestamp),
    snapshot: encode(snapshot),
  };
  await writeFileAtomic(file, `${JSON.stringify(content)}\n`);
}

/** A floor as what a client kept: its versions, and its signed time. */
export function keptFromFloor({ roots, timestamp, snapshot }: Floor): KeptMetadata {
  return { roots, timestamp, snapshot, timeFloor: parseTimestamp(timestamp).signedAt };
}
