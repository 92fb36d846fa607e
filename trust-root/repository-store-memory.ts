import {
  assertExpected,
  assertRemovable,
  assertRepositoryName,
  type ExpectedState,
  immutableConflict,
  isReplaceable,
  publishingOrder,
  type RepositoryStore,
} from './repository-store.ts';

/** A repository in memory. */
export class MemoryRepositoryStore implements RepositoryStore {
  readonly #files = new Map<string, Buffer>();

  constructor(files: ReadonlyMap<string, Buffer> = new Map()) {
    for (const [name, bytes] of files) this.#files.set(name, Buffer.from(bytes));
  }

  async list(): Promise<string[]> {
    return [...this.#files.keys()].sort();
  }

  async read(name: string): Promise<Buffer | undefined> {
    const bytes = this.#files.get(name);
    return bytes === undefined ? undefined : Buffer.from(bytes);
  }

  async publish(files: ReadonlyMap<string, Buffer>, expected: ExpectedState): Promise<void> {
    for (const name of files.keys()) assertRepositoryName(name);
    assertExpected(this.#files.get('timestamp.json'), expected);
    for (const [name, bytes] of files) {
      const present = this.#files.get(name);
      if (present !== undefined && !isReplaceable(name) && !present.equals(bytes)) throw immutableConflict(name);
    }
    for (const name of publishingOrder(files.keys())) this.#files.set(name, Buffer.from(files.get(name) as Buffer));
  }

  async remove(names: readonly string[]): Promise<void> {
    names.forEach(assertRemovable);
    for (const name of names) this.#files.delete(name);
  }

  /** All files, copied. */
  snapshot(): Map<string, Buffer> {
    return new Map([...this.#files].map(([name, bytes]) => [name, Buffer.from(bytes)]));
  }
}
