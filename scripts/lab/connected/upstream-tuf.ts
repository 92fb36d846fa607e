import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Key, Metadata, MetaFile, Root, Signature, Snapshot, TargetFile, Targets, Timestamp } from '@tufjs/models';
import type { UpstreamKeys } from './upstream-keys.ts';

const DAY_MS = 86_400_000;
const SPEC_VERSION = '1.0.31';

/** A target file, and what the metadata says about it beside length and hash. */
export interface TufTarget {
  readonly name: string;
  readonly content: Buffer;
  readonly custom?: Readonly<Record<string, unknown>>;
}

/**
 * The targets of the upstream Sigstore's repository: the documents that clients take today, and for older ones each key
 * by itself, described by custom metadata.
 */
export function upstreamTargets(
  keys: UpstreamKeys,
  { trustedRoot, signingConfig }: { readonly trustedRoot: Buffer; readonly signingConfig: Buffer },
): TufTarget[] {
  const legacy = (name: string, usage: string, pem: string | Buffer): TufTarget => ({
    name,
    content: Buffer.from(pem),
    custom: { sigstore: { usage, status: 'Active', uri: '' } },
  });
  const spki = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' });
  const [issuing = '', root = ''] = keys.fulcioChain.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----\n/g) ?? [];
  return [
    { name: 'trusted_root.json', content: trustedRoot },
    { name: 'signing_config.v0.2.json', content: signingConfig },
    legacy('fulcio_v1.crt.pem', 'Fulcio', root),
    legacy('fulcio_intermediate_v1.crt.pem', 'Fulcio', issuing),
    legacy('rekor.pub', 'Rekor', spki(keys.rekor.publicKey)),
    legacy('ctfe.pub', 'CTFE', spki(keys.ctlog.publicKey)),
  ];
}

interface RoleHeader {
  readonly version: number;
  readonly specVersion: string;
  readonly expires: string;
}

interface TufSigner {
  readonly key: Key;
  readonly privateKey: KeyObject;
}

/**
 * Writes a TUF repository shaped like Sigstore's public one into `folder`: root and targets by three of five keys,
 * snapshot and timestamp by one online key, consistent snapshots, a timestamp good for seven days, and a second root
 * that replaces one of the five keys. It shares no code with trust-root/, so that each can be tested against the other.
 */
export async function writeUpstreamTuf(folder: string, targets: readonly TufTarget[], now: Date): Promise<void> {
  const founders = Array.from({ length: 5 }, makeSigner);
  const holders = [...founders.slice(0, 4), makeSigner()];
  const online = makeSigner();
  const inDays = (days: number) => `${new Date(now.getTime() + days * DAY_MS).toISOString().slice(0, 19)}Z`;
  const common = (version: number, days: number) => ({ version, specVersion: SPEC_VERSION, expires: inDays(days) });
  const root1 = signed(rootOf(common(1, 180), founders, online), founders);
  // TUF 5.3.4: the new root needs the old threshold and its own.
  const root2 = signed(rootOf(common(2, 180), holders, online), [...founders, ...holders.slice(4)]);
  const targetFiles = Object.fromEntries(targets.map((target) => [target.name, targetFile(target)]));
  const targetsRole = signed(new Targets({ ...common(1, 180), targets: targetFiles }), holders);
  const targetsMeta = { 'targets.json': metaFile(targetsRole) };
  const snapshot = signed(new Snapshot({ ...common(1, 21), meta: targetsMeta }), [online]);
  const timestamp = signed(new Timestamp({ ...common(1, 7), snapshotMeta: metaFile(snapshot) }), [online]);
  await mkdir(path.join(folder, 'targets'), { recursive: true });
  const files: Record<string, Buffer> = {
    '1.root.json': encode(root1),
    '2.root.json': encode(root2),
    'root.json': encode(root2),
    '1.targets.json': encode(targetsRole),
    '1.snapshot.json': encode(snapshot),
    ...Object.fromEntries(targets.map(({ name, content }) => [`targets/${sha256(content)}.${name}`, content])),
    'timestamp.json': encode(timestamp),
  };
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(folder, name), content);
}

function makeSigner(): TufSigner {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const scheme = 'ecdsa-sha2-nistp256';
  // Any id that is unique will do: TUF 4.2 leaves its form to the author.
  const keyID = createHash('sha256').update(pem).digest('hex');
  return { key: new Key({ keyID, keyType: 'ecdsa', scheme, keyVal: { public: pem } }), privateKey };
}

function rootOf(common: RoleHeader, holders: readonly TufSigner[], online: TufSigner): Root {
  const ids = (signers: readonly TufSigner[]) => signers.map(({ key }) => key.keyID);
  const offline = { keyids: ids(holders), threshold: 3 };
  const single = { keyids: ids([online]), threshold: 1 };
  return Root.fromJSON({
    _type: 'root',
    version: common.version,
    spec_version: common.specVersion,
    expires: common.expires,
    consistent_snapshot: true,
    keys: Object.fromEntries([...holders, online].map(({ key }) => [key.keyID, key.toJSON()])),
    roles: { root: offline, targets: offline, snapshot: single, timestamp: single },
  });
}

function signed<T extends Root | Targets | Snapshot | Timestamp>(role: T, signers: readonly TufSigner[]): Metadata<T> {
  const metadata = new Metadata(role);
  for (const { key, privateKey } of signers) {
    metadata.sign((data) => new Signature({ keyID: key.keyID, sig: sign('sha256', data, privateKey).toString('hex') }));
  }
  return metadata;
}

function targetFile({ name, content, custom }: TufTarget): TargetFile {
  const unrecognizedFields = custom === undefined ? {} : { custom: structuredClone(custom) as Record<string, never> };
  return new TargetFile({
    path: name,
    length: content.length,
    hashes: { sha256: sha256(content) },
    unrecognizedFields,
  });
}

function metaFile(metadata: Metadata<Targets> | Metadata<Snapshot>): MetaFile {
  const bytes = encode(metadata);
  return new MetaFile({ version: metadata.signed.version, length: bytes.length, hashes: { sha256: sha256(bytes) } });
}

function encode(metadata: { toJSON(): unknown }): Buffer {
  return Buffer.from(JSON.stringify(metadata.toJSON(), null, 1));
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
