import { createHash, sign as ed25519, type KeyObject } from 'node:crypto';

import { canonicalize } from '@tufjs/canonical-json';

import { type AdjustableClock, clockAt } from '../../../appliance/kernel/clock.ts';
import { generateKey } from '../../../trust-root/keys.ts';
import { tufKeyOf } from '../../../trust-root/signer.ts';
import { type KeptMetadata, TufClient, type TufClientOptions } from '../../../trust-root/tuf-client.ts';
import type { TufKey } from '../../../trust-root/tuf-documents.ts';
import { keyIdOf } from '../../../trust-root/tuf-signatures.ts';
import type { TufTransport } from '../../../trust-root/tuf-transport.ts';
import { START } from './repository-world.ts';

interface RoleJson {
  keyids: string[];
  threshold: number;
}
/** Metadata as plain JSON, for tests to bend at will. */
export interface RootJson {
  _type: string;
  spec_version: string;
  version: number;
  expires: string;
  consistent_snapshot: boolean;
  keys: Record<string, object>;
  roles: Record<string, RoleJson>;
}
export interface MetaJson {
  version: number;
  length?: number;
  hashes?: Record<string, string>;
}
export interface StampJson {
  _type: string;
  spec_version: string;
  version: number;
  expires: string;
  meta: Record<string, MetaJson>;
}
export interface DelegationJson extends RoleJson {
  name: string;
  terminating: boolean;
  paths?: string[];
  path_hash_prefixes?: string[];
}
export interface TargetsJson {
  _type: string;
  spec_version: string;
  version: number;
  expires: string;
  targets: Record<string, { length: number; hashes: Record<string, string>; custom?: object }>;
  delegations?: { keys: Record<string, object>; roles?: DelegationJson[]; succinct_roles?: object };
}

const TOP = ['root', 'timestamp', 'snapshot', 'targets'] as const;

/**
 * A TUF repository that does whatever a test tells it: documents are plain JSON, signed as they are when they are asked
 * for, unless a test puts other bytes in their place.
 */
export class TufSimulator {
  readonly clock: AdjustableClock = clockAt(START);
  readonly signers = new Map<string, SimulatedKey[]>();
  root: RootJson;
  timestamp: StampJson;
  snapshot: StampJson;
  readonly targets = new Map<string, TargetsJson>();
  readonly files = new Map<string, Buffer>();
  /** Other bytes for a file, by its name. */
  readonly overrides = new Map<string, Buffer | (() => Buffer)>();
  readonly fetched: string[] = [];
  readonly #roots: Buffer[] = [];

  constructor() {
    const common = { spec_version: '1.0.31', version: 1, expires: this.inDays(30) };
    for (const role of TOP) this.signers.set(role, [newKey()]);
    this.root = { _type: 'root', ...common, consistent_snapshot: true, keys: {}, roles: {} };
    this.timestamp = { _type: 'timestamp', ...common, meta: { 'snapshot.json': { version: 1 } } };
    this.snapshot = { _type: 'snapshot', ...common, meta: { 'targets.json': { version: 1 } } };
    this.targets.set('targets', { _type: 'targets', ...common, targets: {} });
    for (const role of TOP) this.nameKeys(role);
    this.publishRoot();
  }

  inDays(days: number): string {
    return new Date(this.clock.now().getTime() + days * 86_400_000).toISOString().replace(/\.\d{3}Z$/, 'Z');
  }

  /** Writes a role's signers into the root, `threshold` of which must sign. */
  nameKeys(role: string, threshold = 1): void {
    const signers = this.signers.get(role) ?? [];
    for (const { keyId, key } of signers) this.root.keys[keyId] = key;
    this.root.roles[role] = { keyids: signers.map(({ keyId }) => keyId), threshold };
  }

  /** Gives a top-level role a new key and publishes the root that says so. */
  rotate(role: string): void {
    const before = this.signers.get('root') ?? [];
    this.signers.set(role, [newKey()]);
    this.nameKeys(role);
    this.bumpRoot(role === 'root' ? [...before, ...(this.signers.get('root') ?? [])] : before);
  }

  bumpRoot(signers = this.signers.get('root') ?? []): void {
    this.root.version += 1;
    this.publishRoot(signers);
  }

  /** Signs the root as it is and publishes it. */
  publishRoot(signers = this.signers.get('root') ?? []): void {
    this.#roots.push(sign(this.root, signers));
  }

  rootBytes(version: number): Buffer {
    return this.#roots[version - 1] ?? Buffer.alloc(0);
  }

  /** One step on for timestamp, snapshot and the named targets roles. */
  bump(...roles: string[]): void {
    for (const role of roles) {
      const document = this.targets.get(role);
      if (document === undefined) throw new Error(`no role ${role}`);
      document.version += 1;
      this.snapshot.meta[`${role}.json`] = { version: document.version };
    }
    this.snapshot.version += 1;
    this.timestamp.version += 1;
    this.timestamp.meta['snapshot.json'] = { version: this.snapshot.version };
  }

  /** Adds a target to a role. */
  addTarget(name: string, content: string, role = 'targets'): void {
    const bytes = Buffer.from(content);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    this.role(role).targets[name] = { length: bytes.byteLength, hashes: { sha256 } };
    const slash = name.lastIndexOf('/') + 1;
    this.files.set(`${name.slice(0, slash)}${sha256}.${name.slice(slash)}`, bytes);
    this.files.set(name, bytes);
  }

  role(name: string): TargetsJson {
    const document = this.targets.get(name);
    if (document === undefined) throw new Error(`no role ${name}`);
    return document;
  }

  /** Delegates from one role to another, new or not. */
  delegate(from: string, to: string, options: Partial<DelegationJson> = {}): void {
    if (!this.targets.has(to)) {
      this.signers.set(to, [newKey()]);
      const common = { spec_version: '1.0.31', version: 1, expires: this.inDays(30) };
      this.targets.set(to, { _type: 'targets', ...common, targets: {} });
      this.snapshot.meta[`${to}.json`] = { version: 1 };
    }
    const signers = this.signers.get(to) ?? [];
    const document = this.role(from);
    document.delegations ??= { keys: {}, roles: [] };
    for (const { keyId, key } of signers) document.delegations.keys[keyId] = key;
    const { path_hash_prefixes: prefixes } = options;
    const covers = prefixes === undefined ? { paths: ['*', '*/*'] } : {};
    const keys = { keyids: signers.map(({ keyId }) => keyId), threshold: 1 };
    document.delegations.roles?.push({ name: to, terminating: false, ...keys, ...covers, ...options });
  }

  document(name: string): Buffer | undefined {
    const override = this.overrides.get(name);
    if (override !== undefined) return typeof override === 'function' ? override() : override;
    const [, version, role = ''] = /^(?:(\d+)\.)?(.+)\.json$/.exec(name) ?? [];
    if (role === 'root') return this.#roots[Number(version) - 1];
    const signed = role === 'timestamp' ? this.timestamp : role === 'snapshot' ? this.snapshot : this.targets.get(role);
    return signed === undefined ? undefined : sign(signed, this.signers.get(role) ?? []);
  }

  transport(): TufTransport {
    return {
      fetch: async ({ kind, path, maxBytes }) => {
        this.fetched.push(path);
        const bytes = kind === 'metadata' ? this.document(path) : this.files.get(path);
        if (bytes !== undefined && bytes.byteLength > maxBytes) throw new Error(`${path}: more than ${maxBytes} bytes`);
        return bytes;
      },
    };
  }

  client(kept: KeptMetadata = { roots: [this.rootBytes(1)] }, options: Partial<TufClientOptions> = {}): TufClient {
    return new TufClient({ transport: this.transport(), clock: this.clock, kept, strictKeyIds: true, ...options });
  }

  /** A client that has followed to here. */
  async followed(kept?: KeptMetadata): Promise<TufClient> {
    const client = this.client(kept);
    await client.refresh();
    return client;
  }
}

/** A key that signs at once. */
export interface SimulatedKey {
  readonly keyId: string;
  readonly key: TufKey;
  readonly privateKey: KeyObject;
}

export function newKey(): SimulatedKey {
  const privateKey = generateKey('ed25519');
  const key = tufKeyOf(privateKey);
  return { keyId: keyIdOf(key), key, privateKey };
}

/** Signs any JSON. */
export function sign(signed: object, keys: readonly SimulatedKey[]): Buffer {
  const message = Buffer.from(canonicalize(signed));
  const signatures = keys.map(({ keyId, privateKey }) => ({
    keyid: keyId,
    sig: ed25519(null, message, privateKey).toString('hex'),
  }));
  return Buffer.from(JSON.stringify({ signed, signatures }));
}
