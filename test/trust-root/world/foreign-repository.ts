import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

import { canonicalize } from '@tufjs/canonical-json';

import { MemoryRepositoryStore } from '../../../trust-root/repository-store-memory.ts';
import { tufKeyOf } from '../../../trust-root/signer.ts';
import { sha256Hex } from '../../../trust-root/tuf-client.ts';
import { keyIdOf } from '../../../trust-root/tuf-signatures.ts';

/** The shape of somebody else's repository. */
export interface ForeignOptions {
  /** GitHub's: key ids that are not the hash of their key (sigstore-rust#88). */
  readonly ownKeyIds?: boolean;
  readonly targets: Readonly<Record<string, string>>;
  readonly now: Date;
  /** Days that the timestamp lives; public-good's: seven. */
  readonly timestampDays?: number;
}

/** A repository that another project runs: one key for each role, no Sealift fields, versions as they come. */
export class ForeignRepository {
  readonly store = new MemoryRepositoryStore();
  readonly #keys = new Map<string, KeyObject>();
  readonly #options: ForeignOptions;
  #targets: Record<string, string>;
  #root = 0;
  #version = 0;
  #published = 0;

  constructor(options: ForeignOptions) {
    this.#options = options;
    this.#targets = { ...options.targets };
    for (const role of ['root', 'targets', 'snapshot', 'timestamp']) this.#newKey(role);
  }

  #newKey(role: string): void {
    this.#keys.set(role, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
  }

  #idOf(role: string): string {
    const id = keyIdOf(tufKeyOf(this.#key(role)));
    return this.#options.ownKeyIds === true ? sha256Hex(Buffer.from(`own ${id}`)) : id;
  }

  #key(role: string): KeyObject {
    const key = this.#keys.get(role);
    if (key === undefined) throw new Error(`no key for ${role}`);
    return key;
  }

  #signed(type: string, fields: object, by: readonly { id: string; key: KeyObject }[]): Buffer {
    const signed = { _type: type, spec_version: '1.0', ...fields };
    const message = Buffer.from(canonicalize(signed));
    const signatures = by.map(({ id, key }) => ({ keyid: id, sig: sign('sha256', message, key).toString('hex') }));
    return Buffer.from(JSON.stringify({ signed, signatures }));
  }

  #by(role: string): { id: string; key: KeyObject }[] {
    return [{ id: this.#idOf(role), key: this.#key(role) }];
  }

  /** Publishes a new root, which may have a new root key. */
  async rotateRoot(now: Date): Promise<void> {
    const before = this.#root === 0 ? [] : this.#by('root');
    if (this.#root > 0) this.#newKey('root');
    this.#root += 1;
    const roles = ['root', 'targets', 'snapshot', 'timestamp'];
    const fields = {
      version: this.#root,
      expires: inDays(now, 197),
      consistent_snapshot: true,
      keys: Object.fromEntries(roles.map((role) => [this.#idOf(role), tufKeyOf(this.#key(role))])),
      roles: Object.fromEntries(roles.map((role) => [role, { keyids: [this.#idOf(role)], threshold: 1 }])),
    };
    const bytes = this.#signed('root', fields, [...before, ...this.#by('root')]);
    await this.#put({ [`${this.#root}.root.json`]: bytes });
  }

  /** Publishes everything anew, with other targets when given. */
  async publish(now: Date, targets: Readonly<Record<string, string>> = {}): Promise<void> {
    if (this.#root === 0) await this.rotateRoot(now);
    this.#targets = { ...this.#targets, ...targets };
    this.#version += 1;
    const version = this.#version;
    const described = Object.entries(this.#targets).map(([name, text]) => [
      name,
      { length: Buffer.byteLength(text), hashes: { sha256: sha256Hex(Buffer.from(text)) } },
    ]);
    const top = this.#signed(
      'targets',
      { version, expires: inDays(now, 3650), targets: Object.fromEntries(described) as object },
      this.#by('targets'),
    );
    const meta = { 'targets.json': { version } };
    const snapshot = this.#signed('snapshot', { version, expires: inDays(now, 3650), meta }, this.#by('snapshot'));
    const expires = inDays(now, this.#options.timestampDays ?? 7);
    const stamp = { version, expires, meta: { 'snapshot.json': { version } } };
    const files = Object.entries(this.#targets).map(([name, text]) => [
      `targets/${sha256Hex(Buffer.from(text))}.${name}`,
      Buffer.from(text),
    ]);
    await this.#put({
      [`${version}.targets.json`]: top,
      [`${version}.snapshot.json`]: snapshot,
      'timestamp.json': this.#signed('timestamp', stamp, this.#by('timestamp')),
      ...(Object.fromEntries(files) as Record<string, Buffer>),
    });
  }

  /** The first root. */
  async firstRoot(): Promise<Buffer> {
    return (await this.store.read('1.root.json')) ?? Buffer.alloc(0);
  }

  async #put(files: Record<string, Buffer>): Promise<void> {
    const timestampVersion = this.#published === 0 ? undefined : this.#published;
    await this.store.publish(new Map(Object.entries(files)), { timestampVersion });
    if (files['timestamp.json'] !== undefined) this.#published = this.#version;
  }
}

function inDays(now: Date, days: number): string {
  return new Date(now.getTime() + days * 86_400_000).toISOString().replace(/\.\d{3}Z$/, 'Z');
}
