import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';

import {
  assertExpected,
  assertRemovable,
  assertRepositoryName,
  type ExpectedState,
  filesNotYetThere,
  immutableConflict,
  isReplaceable,
  publishingOrder,
  type RepositoryStore,
} from '../../trust-root/repository-store.ts';
import { TrustRootError } from '../../trust-root/trust-root-error.ts';
import type { Cluster } from './cluster.ts';
import { isKubeError } from './kube-error.ts';
import { KINDS, type KubeObject } from './kube-object.ts';

/** Label that all ConfigMaps of a repository bear; its value is the repository's name. */
export const REPOSITORY_LABEL = 'sealift.dev/tuf-repository';
const PART_LABEL = 'sealift.dev/tuf-part';
const NAME_ANNOTATION = 'sealift.dev/tuf-name';
const PARTS_ANNOTATION = 'sealift.dev/tuf-parts';
const KEY = 'gz';
/** A ConfigMap holds at most 1 MiB; what is larger after compression is cut into parts of this size. */
const PART_BYTES = 768 * 1024;
const MAX_PARTS = 128;
const MAX_FILE_BYTES = 128 * 1024 * 1024;

/** Where in the cluster a repository lies. */
export interface ConfigMapRepository {
  readonly namespace: string;
  /** The repository's name; `site` unless told. */
  readonly repository?: string;
}

/**
 * A TUF repository in ConfigMaps, one for each file: gzip in `binaryData`, the file's name in an annotation. Immutable
 * files are immutable ConfigMaps. `timestamp.json` goes last and only over the resourceVersion that was looked at, so of
 * two publishers one wins. KubeErrors come as the cause of TrustRootError `STORE_FAILED`.
 */
export class ConfigMapRepositoryStore implements RepositoryStore {
  readonly #cluster: Cluster;
  readonly #namespace: string;
  readonly #repository: string;

  constructor(cluster: Cluster, { namespace, repository = 'site' }: ConfigMapRepository) {
    this.#cluster = cluster;
    this.#namespace = namespace;
    this.#repository = repository;
  }

  async list(): Promise<string[]> {
    const selection = {
      namespace: this.#namespace,
      labelSelector: `${REPOSITORY_LABEL}=${this.#repository},!${PART_LABEL}`,
    };
    const maps = await attempt('the repository', () => this.#cluster.list(KINDS.configMap, selection));
    return maps
      .map((map) => map.metadata.annotations?.[NAME_ANNOTATION])
      .filter((name): name is string => name !== undefined)
      .sort();
  }

  async read(name: string): Promise<Buffer | undefined> {
    assertRepositoryName(name);
    const map = await this.#head(name);
    return map === undefined ? undefined : await this.#content(name, map);
  }

  async publish(files: ReadonlyMap<string, Buffer>, expected: ExpectedState): Promise<void> {
    for (const name of files.keys()) assertRepositoryName(name);
    const timestamp = await this.#head('timestamp.json');
    assertExpected(timestamp === undefined ? undefined : await this.#content('timestamp.json', timestamp), expected);
    for (const name of publishingOrder(await filesNotYetThere(this, files))) {
      const bytes = files.get(name) as Buffer;
      if (!isReplaceable(name)) await this.#create(name, bytes);
      else if (name === 'timestamp.json') await this.#replace(name, bytes, timestamp);
      else await this.#replace(name, bytes, await this.#head(name));
    }
  }

  async remove(names: readonly string[]): Promise<void> {
    for (const name of names) assertRemovable(name);
    for (const name of names) {
      const head = await this.#head(name);
      if (head === undefined) continue;
      // The head first: a file is there as long as its head is.
      await this.#delete(head.metadata.name);
      for (const part of partNames(this.#repository, name, head)) await this.#delete(part);
    }
  }

  async #delete(name: string): Promise<void> {
    const ref = { kind: KINDS.configMap, namespace: this.#namespace, name };
    await attempt(name, () => this.#cluster.delete(ref));
  }

  async #create(name: string, bytes: Buffer): Promise<void> {
    const compressed = await promisify(gzip)(bytes, { level: 9 });
    const parts = cut(compressed);
    for (const [index, part] of parts.slice(1).entries()) {
      await this.#createMap(this.#partMap(name, compressed, { index: index + 1, part }));
    }
    const head = this.#map(name, { bytes: parts[0] ?? compressed, parts: parts.length, compressed });
    if (await this.#createMap({ ...head, immutable: true })) return;
    // Someone else, or an earlier run that was killed, put it there; only the same bytes will do.
    if ((await this.read(name))?.equals(bytes) !== true) throw immutableConflict(name);
  }

  async #replace(name: string, bytes: Buffer, found: KubeObject | undefined): Promise<void> {
    const compressed = await promisify(gzip)(bytes, { level: 9 });
    if (compressed.byteLength > PART_BYTES) throw new TrustRootError('STORE_FAILED', `${name}: too large`);
    const map = this.#map(name, { bytes: compressed, parts: 1, compressed });
    if (found === undefined) {
      if (!(await this.#createMap(map))) throw immutableConflict(name);
      return;
    }
    const { resourceVersion = '' } = found.metadata;
    await attempt(name, () => this.#cluster.replace({ ...map, metadata: { ...map.metadata, resourceVersion } }));
  }

  /** False when a ConfigMap of that name is there. */
  async #createMap(map: KubeObject): Promise<boolean> {
    try {
      await this.#cluster.create(map);
      return true;
    } catch (error) {
      if (isKubeError(error, 'ALREADY_EXISTS')) return false;
      throw failed(map.metadata.name, error);
    }
  }

  async #head(name: string): Promise<KubeObject | undefined> {
    return await this.#get(mapName(this.#repository, name));
  }

  async #get(name: string): Promise<KubeObject | undefined> {
    return await attempt(name, () => this.#cluster.get({ kind: KINDS.configMap, namespace: this.#namespace, name }));
  }

  async #content(name: string, head: KubeObject): Promise<Buffer> {
    const parts = [bytesIn(name, head)];
    for (const partMap of partNames(this.#repository, name, head)) {
      const part = await this.#get(partMap);
      if (part === undefined) throw damaged(name, partMap);
      parts.push(bytesIn(name, part));
    }
    try {
      return await promisify(gunzip)(Buffer.concat(parts), { maxOutputLength: MAX_FILE_BYTES });
    } catch (cause) {
      throw damaged(name, 'gzip', cause);
    }
  }

  #map(name: string, file: { bytes: Buffer; parts: number; compressed: Buffer }): KubeObject {
    return {
      ...KINDS.configMap,
      metadata: {
        name: mapName(this.#repository, name),
        namespace: this.#namespace,
        labels: { [REPOSITORY_LABEL]: this.#repository, 'app.kubernetes.io/managed-by': 'sealift' },
        annotations: {
          [NAME_ANNOTATION]: name,
          ...(file.parts === 1 ? {} : { [PARTS_ANNOTATION]: `${file.parts}:${shortHash(file.compressed)}` }),
        },
      },
      binaryData: { [KEY]: file.bytes.toString('base64') },
    };
  }

  #partMap(name: string, compressed: Buffer, { index, part }: { index: number; part: Buffer }): KubeObject {
    const head = this.#map(name, { bytes: part, parts: 1, compressed });
    return {
      ...head,
      metadata: {
        ...head.metadata,
        name: partName(this.#repository, name, { hash: shortHash(compressed), index }),
        labels: { ...head.metadata.labels, [PART_LABEL]: String(index) },
      },
      immutable: true,
    };
  }
}

/** A name that Kubernetes takes, readable, and different for different file names. */
function mapName(repository: string, file: string): string {
  const readable = file
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(-60)
    .replace(/^-+|-+$/g, '');
  return `tuf-${repository}-${readable}-${shortHash(file)}`;
}

/** Parts are named by the content that they belong to, so those of a publication that was killed are in nobody's way. */
function partName(repository: string, file: string, { hash, index }: { hash: string; index: number }): string {
  return `${mapName(repository, file)}-${hash}-${index}`;
}

/** The ConfigMaps that hold the rest of a file which doesn't fit into its head. */
function partNames(repository: string, file: string, head: KubeObject): string[] {
  const [count = '1', hash = ''] = (head.metadata.annotations?.[PARTS_ANNOTATION] ?? '1').split(':');
  if (!/^[1-9][0-9]{0,2}$/.test(count) || Number(count) > MAX_PARTS) throw damaged(file, 'its number of parts');
  return Array.from({ length: Number(count) - 1 }, (_, index) =>
    partName(repository, file, { hash, index: index + 1 }),
  );
}

function shortHash(bytes: Buffer | string): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}

function cut(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let from = 0; from < bytes.byteLength; from += PART_BYTES) parts.push(bytes.subarray(from, from + PART_BYTES));
  if (parts.length <= MAX_PARTS) return parts;
  throw new TrustRootError('STORE_FAILED', `a file of ${bytes.byteLength} compressed bytes is too large for a cluster`);
}

function bytesIn(name: string, map: KubeObject): Buffer {
  const text = map.binaryData?.[KEY];
  if (text === undefined) throw damaged(name, `binaryData.${KEY}`);
  return Buffer.from(text, 'base64');
}

async function attempt<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw failed(what, error);
  }
}

function failed(what: string, cause: unknown): TrustRootError {
  if (cause instanceof TrustRootError) return cause;
  if (isKubeError(cause, 'CONFLICT', 'NOT_FOUND')) {
    return new TrustRootError('STORE_CONFLICT', `${what}: changed by another publisher`, {
      cause,
      fix: 'run the command again; it starts from what is there now',
    });
  }
  return new TrustRootError('STORE_FAILED', `${what}: could not be read or written in the cluster`, { cause });
}

function damaged(name: string, what: string, cause?: unknown): TrustRootError {
  return new TrustRootError('STORE_FAILED', `${name}: its ConfigMap is damaged (${what})`, { cause });
}
