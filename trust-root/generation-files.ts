import { open, readdir } from 'node:fs/promises';
import path from 'node:path';

import { z } from 'zod';

import { parseStrictJson } from './strict-json.ts';
import { TrustRootError } from './trust-root-error.ts';
import { MAX_BYTES } from './tuf-documents.ts';

/** The metadata files of a generation, by file name; untrusted until verified. */
export type MetadataFiles = ReadonlyMap<string, Buffer>;

/** `generation.json`: what a generation says of itself. Nothing is trusted for it. */
export interface GenerationLabel {
  readonly schemaVersion: 1;
  readonly number: number;
  readonly writtenAt: string;
  readonly versions: Readonly<Record<string, number>>;
}

const MAX_FILES = 4096;

const label = z.strictObject({
  schemaVersion: z.literal(1),
  number: z.int().min(1),
  writtenAt: z.iso.datetime(),
  versions: z.record(z.string(), z.int().min(1)),
});

/** Reads the metadata of a generation. @throws TrustRootError `GENERATION_INVALID`. */
export async function readMetadataFiles(folder: string): Promise<MetadataFiles> {
  const directory = path.join(folder, 'metadata');
  const names = await readdir(directory).catch((cause: unknown) => {
    throw new TrustRootError('GENERATION_INVALID', `${directory}: could not be read`, { cause });
  });
  if (names.length > MAX_FILES)
    throw new TrustRootError('GENERATION_INVALID', `${directory}: more than ${MAX_FILES} files`);
  const files = new Map<string, Buffer>();
  for (const name of names) files.set(name, await readBounded(path.join(directory, name), MAX_BYTES.targets));
  return files;
}

/** Reads `generation.json`. @throws TrustRootError `GENERATION_INVALID`. */
export async function readLabel(folder: string): Promise<GenerationLabel> {
  const file = path.join(folder, 'generation.json');
  const bytes = await readBounded(file, 64 * 1024);
  const parsed = label.safeParse(parseStrictJson(bytes, file, { maxBytes: 64 * 1024, code: 'GENERATION_INVALID' }));
  if (!parsed.success) throw new TrustRootError('GENERATION_INVALID', `${file}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** Reads a regular file of at most `maxBytes`. @throws TrustRootError `GENERATION_INVALID`. */
export async function readBounded(file: string, maxBytes: number): Promise<Buffer> {
  try {
    const handle = await open(file, 'r');
    try {
      const { size } = await handle.stat();
      if (size > maxBytes)
        throw new TrustRootError('GENERATION_INVALID', `${file}: ${size} bytes, at most ${maxBytes}`);
      return await handle.readFile();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (cause instanceof TrustRootError) throw cause;
    throw new TrustRootError('GENERATION_INVALID', `${file}: could not be read`, { cause });
  }
}

/** The roots among metadata files from version `first` on, as far as they follow one another. */
export function rootsFrom(files: MetadataFiles, first: number): Buffer[] {
  const roots: Buffer[] = [];
  for (let version = first; ; version += 1) {
    const root = files.get(`${version}.root.json`);
    if (root === undefined) return roots;
    roots.push(root);
  }
}
