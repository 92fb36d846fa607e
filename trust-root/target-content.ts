import { describeTarget } from './metadata-writer.ts';
import { TrustRootError } from './trust-root-error.ts';
import { consistentName } from './tuf-client.ts';
import type { TargetFile } from './tuf-documents.ts';

/** A target to publish: its bytes, and how metadata describes them. */
export interface TargetContent {
  readonly bytes: Buffer;
  readonly file: TargetFile;
}

/** A target of these bytes. `custom` goes into the metadata. */
export function targetContent(bytes: Buffer | string, custom: Readonly<Record<string, unknown>> = {}): TargetContent {
  const buffer = Buffer.from(bytes);
  return { bytes: buffer, file: describeTarget(buffer, custom) };
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/;

/** Checks the name of a target that Sealift publishes: plain segments, so that every client's URL and file rules agree on it. */
export function assertTargetName(name: string): void {
  if (name.length <= 256 && NAME.test(name)) return;
  throw new TrustRootError('NAME_INVALID', `not a target's name: ${JSON.stringify(name.slice(0, 200))}`);
}

/** The files of targets as a store holds them: `targets/<dir>/<sha256>.<name>` (consistent snapshots). */
export function targetFileNames(targets: ReadonlyMap<string, TargetContent>): [string, Buffer][] {
  return [...targets].map(([name, { bytes, file }]) => {
    assertTargetName(name);
    return [`targets/${consistentName({ name, hashes: file.hashes })}`, bytes];
  });
}
