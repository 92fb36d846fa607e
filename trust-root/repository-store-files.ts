import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';

import { writeFileAtomic } from '../appliance/kernel/atomic-file.ts';
import { withFileLock } from './file-lock.ts';
import {
  assertExpected,
  assertRemovable,
  assertRepositoryName,
  type ExpectedState,
  filesNotYetThere,
  publishingOrder,
  type RepositoryStore,
} from './repository-store.ts';
import { TrustRootError } from './trust-root-error.ts';

const LOCK = '.publish.lock';

/** A repository in a folder, readable as it lies by any TUF client over `file:` or a static web server. */
export class FileRepositoryStore implements RepositoryStore {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async list(): Promise<string[]> {
    const names: string[] = [];
    for (const entry of await this.#entries()) {
      const name = path.relative(this.#folder, path.join(entry.parentPath, entry.name)).split(path.sep).join('/');
      // Dot files are the lock, and temporary files of a write that broke off.
      if (entry.isFile() && !name.split('/').some((part) => part.startsWith('.'))) names.push(name);
    }
    return names.sort();
  }

  async read(name: string): Promise<Buffer | undefined> {
    assertRepositoryName(name);
    try {
      return await readFile(path.join(this.#folder, name));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw new TrustRootError('STORE_FAILED', `${path.join(this.#folder, name)}: could not be read`, { cause: error });
    }
  }

  async publish(files: ReadonlyMap<string, Buffer>, expected: ExpectedState): Promise<void> {
    for (const name of files.keys()) assertRepositoryName(name);
    await mkdir(this.#folder, { recursive: true });
    await withFileLock(path.join(this.#folder, LOCK), async () => {
      assertExpected(await this.read('timestamp.json'), expected);
      const missing = await filesNotYetThere(this, files);
      for (const name of publishingOrder(missing)) await this.#write(name, files.get(name) as Buffer);
    });
  }

  async remove(names: readonly string[]): Promise<void> {
    names.forEach(assertRemovable);
    for (const name of names) await rm(path.join(this.#folder, name), { force: true });
  }

  async #write(name: string, bytes: Buffer): Promise<void> {
    try {
      await writeFileAtomic(path.join(this.#folder, name), bytes);
    } catch (cause) {
      throw new TrustRootError('STORE_FAILED', `${path.join(this.#folder, name)}: could not be written`, { cause });
    }
  }

  async #entries() {
    try {
      return await readdir(this.#folder, { recursive: true, withFileTypes: true });
    } catch (error) {
      if (isMissing(error)) return [];
      throw new TrustRootError('STORE_FAILED', `${this.#folder}: could not be read`, { cause: error });
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
