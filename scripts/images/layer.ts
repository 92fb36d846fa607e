import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack as tarPack } from 'tar-stream';
import { type Digest, digestFromHex, hexOf } from '../../appliance/kernel/digest.ts';

/** One path in a layer. `path` has no leading slash and no `.` or `..` in it. */
export type LayerEntry = LayerOwner & { readonly path: string } & (
    | { readonly kind: 'folder' }
    | { readonly kind: 'link'; readonly target: string }
    | { readonly kind: 'file'; readonly content: Buffer }
    | { readonly kind: 'file'; readonly source: FileSource }
  );

/** Who owns a path and what may be done with it. */
export interface LayerOwner {
  /** Permission bits, e.g. 0o755. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** A file on this machine whose bytes go into a layer. */
export interface FileSource {
  readonly file: string;
  readonly size: number;
  /** Changes whenever the bytes may have changed. */
  readonly identity: string;
}

/** Where a blob went. */
export interface WrittenBlob {
  readonly digest: Digest;
  readonly size: number;
}

/**
 * Writes the entries as one uncompressed tar, sorted by path, every time stamp 0: the same entries give the same bytes.
 * The blob appears in `blobs` (an OCI layout's `blobs/sha256`) under its digest.
 */
export async function writeLayer(entries: readonly LayerEntry[], blobs: string): Promise<WrittenBlob> {
  await mkdir(blobs, { recursive: true });
  const unfinished = path.join(blobs, `.layer-${process.pid}.tmp`);
  const pack = tarPack();
  const hash = createHash('sha256');
  let size = 0;
  const handle = await open(unfinished, 'w', 0o644);
  const fed = feed(pack, entries);
  const counted = async function* () {
    for await (const chunk of pack as AsyncIterable<Buffer>) {
      hash.update(chunk);
      size += chunk.length;
      yield chunk;
    }
  };
  await pipeline(counted(), handle.createWriteStream());
  await fed;
  const digest = digestFromHex(hash.digest('hex'));
  await rename(unfinished, path.join(blobs, hexOf(digest)));
  return { digest, size };
}

async function feed(pack: Pack, entries: readonly LayerEntry[]): Promise<void> {
  try {
    for (const entry of sortedEntries(entries)) await addEntry(pack, entry);
    pack.finalize();
  } catch (error) {
    pack.destroy(error as Error);
  }
}

/**
 * The entries by path, with every parent folder that none of them makes put in as `0755 root:root`.
 * Of two entries for one path the later one counts.
 */
export function sortedEntries(entries: readonly LayerEntry[]): LayerEntry[] {
  const byPath = new Map<string, LayerEntry>();
  for (const entry of entries) {
    for (let parent = path.dirname(entry.path); parent !== '.'; parent = path.dirname(parent)) {
      if (!byPath.has(parent)) byPath.set(parent, { kind: 'folder', path: parent, mode: 0o755, uid: 0, gid: 0 });
    }
    byPath.set(entry.path, entry);
  }
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function addEntry(pack: Pack, entry: LayerEntry): Promise<void> {
  const header = { name: entry.path, mode: entry.mode, uid: entry.uid, gid: entry.gid, mtime: new Date(0) };
  if (entry.kind === 'folder') pack.entry({ ...header, name: `${entry.path}/`, type: 'directory' });
  else if (entry.kind === 'link') pack.entry({ ...header, type: 'symlink', linkname: entry.target });
  else if ('content' in entry) pack.entry({ ...header, type: 'file' }, entry.content);
  else if (entry.source.size === 0) pack.entry({ ...header, type: 'file' }, Buffer.alloc(0));
  else {
    const sink = pack.entry({ ...header, type: 'file', size: entry.source.size });
    await pipeline(createReadStream(entry.source.file, { highWaterMark: 1024 * 1024 }), sink);
  }
}
