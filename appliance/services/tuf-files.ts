import { createHash } from 'node:crypto';

import type { RepositoryStore } from '../../trust-root/repository-store.ts';
import { describeError } from '../kernel/coded-error.ts';
import type { Log } from '../kernel/log.ts';

/** A file of the repository as it is served. */
export interface TufFile {
  readonly bytes: Buffer;
  readonly etag: string;
  /** False for `timestamp.json` and `root.json`, which newer ones replace. */
  readonly immutable: boolean;
}

interface View {
  readonly timestamp: Buffer;
  readonly root: Buffer | undefined;
  readonly names: ReadonlySet<string>;
}

/** Bytes of immutable files that are kept in memory: 128 MiB. */
const CACHE_BYTES = 128 * 1024 * 1024;

/**
 * A TUF repository as clients see it. A look reads `timestamp.json` first and the names of files after it; since a
 * publisher writes it last, every file that it leads to is among the names. While the store can't be reached the last
 * view is served, and immutable files that were served or preloaded before.
 */
export class TufFiles {
  readonly #store: RepositoryStore;
  readonly #log: Log;
  readonly #cache = new Map<string, Buffer>();
  #cachedBytes = 0;
  #view: View | undefined;
  #complaint = '';

  constructor(store: RepositoryStore, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  /** True when there is a repository to serve. */
  get isReady(): boolean {
    return this.#view !== undefined;
  }

  /** Looks at the store once, and takes a new state whole or not at all. Never fails: what is wrong is logged, once. */
  async look(): Promise<void> {
    try {
      const timestamp = await this.#store.read('timestamp.json');
      const root = await this.#store.read('root.json');
      if (timestamp === undefined) return;
      if (this.#view?.timestamp.equals(timestamp) === true && sameBytes(this.#view.root, root)) return;
      const names = new Set(await this.#store.list());
      await this.#preload(names);
      this.#view = { timestamp, root, names };
      this.#complaint = '';
      this.#log.info('serving a new state', { files: names.size });
    } catch (error) {
      const complaint = describeError(error);
      if (complaint !== this.#complaint) this.#log.warn('the repository could not be read', { error: complaint });
      this.#complaint = complaint;
    }
  }

  /** A file by its name; `undefined` when the repository has none of that name. @throws what the store throws. */
  async file(name: string): Promise<TufFile | undefined> {
    const view = this.#view;
    if (view === undefined) return undefined;
    if (name === 'timestamp.json') return fileOf(view.timestamp, false);
    if (name === 'root.json') return view.root === undefined ? undefined : fileOf(view.root, false);
    if (!view.names.has(name)) return undefined;
    const bytes = this.#cache.get(name) ?? (await this.#load(name));
    return bytes === undefined ? undefined : fileOf(bytes, true);
  }

  /** All of a state in memory before it is shown, so that it is served whole even when the store goes away. */
  async #preload(names: ReadonlySet<string>): Promise<void> {
    for (const name of this.#cache.keys()) if (!names.has(name)) this.#forget(name);
    for (const name of names) {
      if (name === 'timestamp.json' || name === 'root.json' || this.#cache.has(name)) continue;
      if (this.#cachedBytes >= CACHE_BYTES) return;
      await this.#load(name);
    }
  }

  async #load(name: string): Promise<Buffer | undefined> {
    const bytes = await this.#store.read(name);
    if (bytes === undefined || this.#cachedBytes + bytes.byteLength > CACHE_BYTES) return bytes;
    this.#cachedBytes += bytes.byteLength;
    this.#cache.set(name, bytes);
    return bytes;
  }

  #forget(name: string): void {
    this.#cachedBytes -= this.#cache.get(name)?.byteLength ?? 0;
    this.#cache.delete(name);
  }
}

function fileOf(bytes: Buffer, immutable: boolean): TufFile {
  return { bytes, immutable, etag: `"${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}"` };
}

function sameBytes(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}
