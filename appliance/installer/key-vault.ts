import type { KeyObject } from 'node:crypto';
import { access, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

import { parseKeyFile, readKeyFile, writeKeyFile } from '../../trust-root/key-file.ts';
import { generateKey, type KeyAlgorithm } from '../../trust-root/keys.ts';
import { InstallerError } from './installer-error.ts';

const SUFFIX = '.key.json';

/** How {@link KeyVault} gets at the keys. */
export interface KeyVaultOptions {
  /** The folder of the key files. */
  readonly folder: string;
  /** Gives the passphrase; asked once, at the first key that is opened or made. */
  readonly passphrase: () => Promise<string>;
}

/**
 * The offline keys: passphrase-encrypted files in the operator's folder, made once, never overwritten. They never go into
 * the cluster.
 */
export class KeyVault {
  readonly folder: string;
  readonly #options: KeyVaultOptions;
  readonly #opened = new Map<string, KeyObject>();
  #passphrase: Promise<string> | undefined;

  constructor(options: KeyVaultOptions) {
    this.folder = options.folder;
    this.#options = options;
  }

  /** True when the key's file is there. */
  async has(name: string): Promise<boolean> {
    return access(this.#file(name)).then(
      () => true,
      () => false,
    );
  }

  /** The public half of a key, as SPKI in DER, without the passphrase; `undefined` when its file is not there. */
  async publicKey(name: string): Promise<Buffer | undefined> {
    if (!(await this.has(name))) return undefined;
    const file = this.#file(name);
    return Buffer.from(parseKeyFile(await readFile(file), file).publicKey, 'base64');
  }

  /** The key, opened. @throws InstallerError `KEYS_MISSING`; TrustRootError `PASSPHRASE_WRONG`, `KEY_FILE_INVALID`. */
  async open(name: string): Promise<KeyObject> {
    const opened = this.#opened.get(name);
    if (opened !== undefined) return opened;
    if (!(await this.has(name))) {
      throw new InstallerError('KEYS_MISSING', `the offline key ${name} is not in ${this.folder}`, {
        fix: 'name the folder with the key files of this site with --state-dir',
      });
    }
    return this.#keep(name, await readKeyFile(this.#file(name), await this.#askOnce()));
  }

  /** The key, opened, or made when its file is not there. Its file is on disk before this returns. */
  async openOrMake(name: string, algorithm: KeyAlgorithm = 'p256'): Promise<KeyObject> {
    if (await this.has(name)) return this.open(name);
    const key = generateKey(algorithm);
    await writeKeyFile(this.#file(name), key, await this.#askOnce());
    return this.#keep(name, key);
  }

  /** True when there is any key file. */
  async hasAny(): Promise<boolean> {
    return (await this.#names()).length > 0;
  }

  /**
   * Gets the passphrase now, while the terminal is free, instead of in the middle of a step; and tries it on a key that is
   * there, so that no key is ever sealed with another passphrase than its neighbours.
   */
  async unlock(): Promise<void> {
    await this.#askOnce();
    const [first] = await this.#names();
    if (first !== undefined) await this.open(first);
  }

  async #names(): Promise<string[]> {
    const entries = await readdir(this.folder).catch(() => []);
    return entries
      .filter((entry) => entry.endsWith(SUFFIX))
      .map((entry) => entry.slice(0, -SUFFIX.length))
      .sort();
  }

  #file(name: string): string {
    return path.join(this.folder, `${name}${SUFFIX}`);
  }

  #keep(name: string, key: KeyObject): KeyObject {
    this.#opened.set(name, key);
    return key;
  }

  #askOnce(): Promise<string> {
    this.#passphrase ??= this.#options.passphrase();
    return this.#passphrase;
  }
}
