import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';

import { canonicalJson, type JsonValue } from '../kernel/json.ts';
import type { ChartRelease } from './helm.ts';

/** Stands for a chart and its values: the same files and values, the same text (`sha256:` and hex). */
export async function releaseDigest({ chart, values }: Pick<ChartRelease, 'chart' | 'values'>): Promise<string> {
  const hash = createHash('sha256');
  for (const [name, bytes] of await chartFiles(chart)) {
    hash.update(`${name}\0${bytes.byteLength}\0`).update(bytes);
  }
  hash.update(canonicalJson(JSON.parse(JSON.stringify(values)) as JsonValue));
  return `sha256:${hash.digest('hex')}`;
}

async function chartFiles(chart: string): Promise<[string, Buffer][]> {
  if ((await stat(chart)).isFile()) return [['', await readFile(chart)]];
  const entries = await readdir(chart, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  return Promise.all(
    files.sort().map(async (file): Promise<[string, Buffer]> => [path.relative(chart, file), await readFile(file)]),
  );
}
