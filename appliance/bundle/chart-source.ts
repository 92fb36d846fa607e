import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';

import { load as parseYaml } from 'js-yaml';
import { z } from 'zod';

import { paddingAfter, TAR_END_BYTES, tarHeader } from '../../mirror/tar.ts';
import { BundleError } from './bundle-error.ts';

/** A chart that travels. */
export interface ChartSource {
  readonly name: string;
  readonly version: string;
  /** The chart as `helm` takes it, a .tgz; equal content, equal bytes. */
  readonly archive: Buffer;
}

const MAX_CHART_BYTES = 16 * 1024 * 1024;
const MAX_FILES = 5000;

const chartYaml = z.looseObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9.-]{0,99}$/, 'a chart name'),
  version: z.string().min(1).max(100),
});

/**
 * Reads a chart from its folder or .tgz. A folder is packed anew, without times and owners.
 * @throws BundleError `CHART_INVALID`.
 */
export async function readChart(source: string): Promise<ChartSource> {
  const info = await stat(source).catch((cause: unknown) => {
    throw new BundleError('CHART_INVALID', `${source}: there is no chart`, { cause });
  });
  return info.isDirectory() ? await packFolder(source) : await readArchive(source);
}

/** The folders below `folder` that hold a chart, sorted. */
export async function chartFolders(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw new BundleError('CHART_INVALID', `${folder}: there are no charts`, { cause });
  });
  const folders: string[] = [];
  for (const entry of entries) {
    const below = path.join(folder, entry.name);
    if (entry.isDirectory() && (await isFile(path.join(below, 'Chart.yaml')))) folders.push(below);
  }
  return folders.sort();
}

async function packFolder(folder: string): Promise<ChartSource> {
  const { name, version } = describe(await readFile(path.join(folder, 'Chart.yaml'), 'utf8').catch(() => ''), folder);
  const members: Buffer[] = [];
  let bytes = 0;
  for (const file of await filesBelow(folder)) {
    const content = await readFile(path.join(folder, file));
    bytes += content.byteLength;
    if (bytes > MAX_CHART_BYTES) throw new BundleError('CHART_INVALID', `${folder}: larger than a chart can be`);
    members.push(
      headerOf(`${name}/${file}`, content.byteLength),
      content,
      Buffer.alloc(paddingAfter(content.byteLength)),
    );
  }
  const tar = Buffer.concat([...members, Buffer.alloc(TAR_END_BYTES)]);
  return { name, version, archive: gzipSync(tar, { level: 9 }) };
}

function headerOf(file: string, size: number): Buffer {
  try {
    return tarHeader(file, size);
  } catch (cause) {
    throw new BundleError('CHART_INVALID', `${file}: a name of more than 100 bytes, or not of plain ASCII`, { cause });
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true });
  if (entries.length > MAX_FILES) throw new BundleError('CHART_INVALID', `${folder}: more than ${MAX_FILES} files`);
  const link = entries.find((entry) => entry.isSymbolicLink());
  if (link !== undefined) throw new BundleError('CHART_INVALID', `${folder}: ${link.name} is a symbolic link`);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, '/'))
    .sort();
}

async function readArchive(file: string): Promise<ChartSource> {
  const archive = await readFile(file);
  return { ...describe(chartYamlIn(archive, file), file), archive };
}

/** The text of `<name>/Chart.yaml` in a packed chart. */
function chartYamlIn(archive: Buffer, file: string): string {
  let tar: Buffer;
  try {
    tar = gunzipSync(archive, { maxOutputLength: MAX_CHART_BYTES });
  } catch (cause) {
    throw new BundleError('CHART_INVALID', `${file}: no .tgz of at most ${MAX_CHART_BYTES} bytes`, { cause });
  }
  for (let position = 0; position + 512 <= tar.byteLength; ) {
    const name = tar.toString('latin1', position, position + 100).replace(/\0.*$/s, '');
    const size = Number.parseInt(tar.toString('latin1', position + 124, position + 135), 8);
    if (Number.isNaN(size)) break;
    const content = position + 512;
    if (/^[^/]+\/Chart\.yaml$/.test(name)) return tar.toString('utf8', content, content + size);
    position = content + size + paddingAfter(size);
  }
  throw new BundleError('CHART_INVALID', `${file}: there is no Chart.yaml in it`);
}

function describe(text: string, where: string): { name: string; version: string } {
  try {
    const { name, version } = chartYaml.parse(parseYaml(text));
    return { name, version };
  } catch (cause) {
    throw new BundleError('CHART_INVALID', `${where}: its Chart.yaml has no name and version`, { cause });
  }
}

async function isFile(file: string): Promise<boolean> {
  return (await stat(file).catch(() => undefined))?.isFile() ?? false;
}
