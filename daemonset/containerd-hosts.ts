import { z } from 'zod';

import { digestOf } from '../appliance/kernel/digest.ts';
import { canonicalJson, parseJson } from '../appliance/kernel/json.ts';
import { DaemonsetError } from './daemonset-error.ts';
import type { HostFiles } from './host-files.ts';
import { dialledHosts, isSealiftFile } from './hosts-toml.ts';

/** Name of the record below Sealift's folder that uninstall works from. */
export const HOSTS_RECORD = 'containerd-hosts.json';

const recordSchema = z.strictObject({
  schemaVersion: z.literal(1),
  /**
   * By path below certs.d: digests of what Sealift wrote there (the newest first, and the one before, which is what lies
   * there after a crash between record and write), and what was there before Sealift (null: nothing).
   */
  files: z.record(
    z.string().max(512),
    z.strictObject({ written: z.array(z.string()).max(2), original: z.string().nullable() }),
  ),
});

type HostsRecord = z.infer<typeof recordSchema>;

/** The two folders of the host that hosts.toml handling works on. */
export interface HostsFolders {
  /** `/etc/containerd/certs.d`, or what `config_path` names. */
  readonly certs: HostFiles;
  /** Sealift's own folder, which keeps the record of originals. */
  readonly state: HostFiles;
}

/** What {@link writeHosts} did and saw. */
export interface HostsOutcome {
  /** Paths written or taken away in this run. */
  readonly changed: readonly string[];
  /** Folders that neither Sealift nor its configuration knows and whose hosts may still be dialled. */
  readonly foreign: readonly string[];
}

/**
 * Makes certs.d hold exactly `wanted` of Sealift's files: looks, writes what differs, reads it back. What was there
 * before is recorded first, so a crash at any instant loses no original.
 * @throws DaemonsetError `HOSTS_TOML_INVALID` when a file does not read back as written, and those of {@link HostFiles}.
 */
export async function writeHosts(folders: HostsFolders, wanted: ReadonlyMap<string, string>): Promise<HostsOutcome> {
  const record = await readRecord(folders.state);
  const changed: string[] = [];
  for (const [name, content] of wanted) {
    const present = await folders.certs.read(name);
    if (present === content && record.files[name] !== undefined) continue;
    await noteOriginal(folders.state, record, { name, present, content });
    await folders.certs.write(name, content);
    await readBack(folders.certs, name, content);
    changed.push(name);
  }
  for (const name of Object.keys(record.files)) {
    if (wanted.has(name)) continue;
    await restoreOne(folders, record, name);
    changed.push(name);
  }
  return { changed, foreign: await foreignFolders(folders.certs, wanted) };
}

/**
 * Puts certs.d back as it was before Sealift: originals restored, the rest taken away. A file that someone changed
 * since stays as it is.
 * @returns paths that were left because they are no longer what Sealift wrote.
 */
export async function restoreHosts(folders: HostsFolders): Promise<string[]> {
  const record = await readRecord(folders.state);
  const left: string[] = [];
  for (const name of Object.keys(record.files)) {
    if (!(await restoreOne(folders, record, name))) left.push(name);
  }
  await folders.state.remove(HOSTS_RECORD);
  return left;
}

/** True when certs.d holds every file of `wanted` as it is. */
export async function hostsAreWritten(certs: HostFiles, wanted: ReadonlyMap<string, string>): Promise<boolean> {
  for (const [name, content] of wanted) if ((await certs.read(name)) !== content) return false;
  return true;
}

interface FileChange {
  readonly name: string;
  readonly present: string | undefined;
  readonly content: string;
}

async function noteOriginal(state: HostFiles, record: HostsRecord, change: FileChange): Promise<void> {
  const known = record.files[change.name];
  // After a crash between the record and the write, what is there is still the original that is recorded.
  const original = known === undefined ? originalIn(change.present) : known.original;
  const digest = digestOf(change.content);
  const before = known?.written.find((each) => each !== digest);
  record.files[change.name] = { written: before === undefined ? [digest] : [digest, before], original };
  await writeRecord(state, record);
}

/** What was there before Sealift. A file of Sealift's own, left by an install whose record is gone, is no original. */
function originalIn(present: string | undefined): string | null {
  return present === undefined || isSealiftFile(present) ? null : present;
}

async function readBack(certs: HostFiles, name: string, content: string): Promise<void> {
  const found = await certs.read(name);
  if (found === undefined || found !== content) {
    throw new DaemonsetError('HOSTS_TOML_INVALID', `${name}: does not read back as it was written`);
  }
  dialledHosts(found);
}

async function restoreOne(folders: HostsFolders, record: HostsRecord, name: string): Promise<boolean> {
  const known = record.files[name];
  if (known === undefined) return true;
  const present = await folders.certs.read(name);
  const isOurs = present !== undefined && known.written.includes(digestOf(present));
  if (isOurs && known.original !== null) await folders.certs.write(name, known.original);
  else if (isOurs) await folders.certs.remove(name);
  // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- a record by path
  delete record.files[name];
  await writeRecord(folders.state, record);
  return isOurs || present === undefined || present === known.original;
}

async function foreignFolders(certs: HostFiles, wanted: ReadonlyMap<string, string>): Promise<string[]> {
  const ours = new Set([...wanted.keys()].map((name) => name.split('/')[0]));
  return (await certs.folders()).filter((name) => !ours.has(name));
}

async function readRecord(state: HostFiles): Promise<HostsRecord> {
  const text = await state.read(HOSTS_RECORD);
  if (text === undefined) return { schemaVersion: 1, files: {} };
  const result = recordSchema.safeParse(parseJson(text, HOSTS_RECORD, { maxBytes: 1024 * 1024 }));
  if (result.success) return result.data;
  throw new DaemonsetError('HOST_FILE_FAILED', `${HOSTS_RECORD}: ${z.prettifyError(result.error)}`, {
    fix: `look at ${HOSTS_RECORD} on the node; without it the originals of hosts.toml are not known`,
  });
}

async function writeRecord(state: HostFiles, record: HostsRecord): Promise<void> {
  await state.write(HOSTS_RECORD, `${canonicalJson(record)}\n`);
}
