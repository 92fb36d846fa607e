import { canonicalize } from '@tufjs/canonical-json';
import { Metadata, MetadataKind, Signature } from '@tufjs/models';
import { tufTime } from './repository-policy.ts';
import type { Signer } from './signer.ts';
import { TrustRootError } from './trust-root-error.ts';
import { sha256Hex } from './tuf-client.ts';
import { type MetaFile, SIGNED_AT, type TargetFile, type TufKey } from './tuf-documents.ts';
import { keyIdOf } from './tuf-signatures.ts';

/** The version of the specification that Sealift's metadata follows. */
const SPEC_VERSION = '1.0.31';

/** The keys of a role and how many must sign. */
export interface RoleKeySet {
  readonly keys: readonly TufKey[];
  readonly threshold: number;
}

/** Version and expiry (TUF form) of new metadata. */
export interface Edition {
  readonly version: number;
  readonly expires: string;
}

type TufJson = Parameters<typeof Metadata.fromJSON>[1];

/** Signs the signed part of new metadata and gives the file's bytes. */
async function signMetadata(kind: MetadataKind, signed: object, signers: readonly Signer[]): Promise<Buffer> {
  if (signers.length === 0) throw new TrustRootError('SIGNER_MISSING', `${kind}: no key to sign it with`);
  const envelope = { signed, signatures: [] } as unknown as TufJson;
  // The overloads of fromJSON tell the kinds apart by literal; each kind is handled alike here.
  const metadata = Metadata.fromJSON(kind as MetadataKind.Targets, envelope);
  const bytes = Buffer.from(canonicalize(metadata.signed.toJSON()));
  for (const signer of signers) {
    const sig = (await signer.sign(bytes)).toString('hex');
    metadata.sign(() => new Signature({ keyID: signer.keyId, sig }));
  }
  return Buffer.from(`${JSON.stringify(metadata.toJSON(), undefined, 1)}\n`);
}

function common(type: string, { version, expires }: Edition): object {
  return { _type: type, spec_version: SPEC_VERSION, version, expires };
}

function keyTable(sets: Iterable<RoleKeySet>): Record<string, TufKey> {
  return Object.fromEntries([...sets].flatMap(({ keys }) => keys.map((key) => [keyIdOf(key), key])));
}

const roleOf = ({ keys, threshold }: RoleKeySet) => ({ keyids: keys.map(keyIdOf), threshold });

/** The top-level roles' keys. */
export interface RootRoles {
  readonly root: RoleKeySet;
  readonly targets: RoleKeySet;
  readonly snapshot: RoleKeySet;
  readonly timestamp: RoleKeySet;
}

/** Writes root metadata. */
export function writeRoot(edition: Edition, roles: RootRoles, signers: readonly Signer[]): Promise<Buffer> {
  const { root, targets, snapshot, timestamp } = roles;
  const signed = {
    ...common('root', edition),
    consistent_snapshot: true,
    keys: keyTable([root, targets, snapshot, timestamp]),
    roles: { root: roleOf(root), targets: roleOf(targets), snapshot: roleOf(snapshot), timestamp: roleOf(timestamp) },
  };
  return signMetadata(MetadataKind.Root, signed, signers);
}

/** A delegation to write into targets metadata. */
export interface DelegationSetup extends RoleKeySet {
  readonly name: string;
  readonly paths: readonly string[];
  readonly terminating: boolean;
}

/** What targets metadata says besides version and expiry. */
export interface TargetsContent {
  readonly targets: ReadonlyMap<string, TargetFile>;
  /** In the order in which clients search them. */
  readonly delegations?: readonly DelegationSetup[];
}

/** Writes targets metadata, top-level or delegated. */
export function writeTargets(edition: Edition, content: TargetsContent, signers: readonly Signer[]): Promise<Buffer> {
  const { targets, delegations } = content;
  const entries = [...targets]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { length, hashes, custom }]) => [
      name,
      { length, hashes, ...(Object.keys(custom).length === 0 ? {} : { custom }) },
    ]);
  const signed = {
    ...common('targets', edition),
    targets: Object.fromEntries(entries) as Record<string, unknown>,
    ...(delegations === undefined ? {} : { delegations: delegationsJson(delegations) }),
  };
  return signMetadata(MetadataKind.Targets, signed, signers);
}

function delegationsJson(delegations: readonly DelegationSetup[]): object {
  return {
    keys: keyTable(delegations),
    roles: delegations.map((role) => ({
      name: role.name,
      ...roleOf(role),
      terminating: role.terminating,
      paths: role.paths,
    })),
  };
}

/** Writes snapshot metadata over the targets roles' files, by role name. */
export function writeSnapshot(
  edition: Edition,
  roles: ReadonlyMap<string, SizedFile>,
  signers: readonly Signer[],
): Promise<Buffer> {
  const meta = Object.fromEntries(
    [...roles].sort(([a], [b]) => (a < b ? -1 : 1)).map(([role, file]) => [`${role}.json`, metaFileOf(file)]),
  );
  return signMetadata(MetadataKind.Snapshot, { ...common('snapshot', edition), meta }, signers);
}

/** Writes timestamp metadata over a snapshot; `signedAt` goes into the signed part. */
export function writeTimestamp(
  edition: Edition & { readonly signedAt: Date },
  snapshot: SizedFile,
  signers: readonly Signer[],
): Promise<Buffer> {
  const signed = {
    ...common('timestamp', edition),
    meta: { 'snapshot.json': metaFileOf(snapshot) },
    [SIGNED_AT]: tufTime(edition.signedAt),
  };
  return signMetadata(MetadataKind.Timestamp, signed, signers);
}

/** Metadata that other metadata names. */
export interface SizedFile {
  readonly version: number;
  readonly bytes: Buffer;
}

function metaFileOf({ version, bytes }: SizedFile): MetaFile {
  return { version, length: bytes.byteLength, hashes: { sha256: sha256Hex(bytes) } };
}

/** How targets metadata describes `bytes`. */
export function describeTarget(bytes: Buffer, custom: Readonly<Record<string, unknown>> = {}): TargetFile {
  return { length: bytes.byteLength, hashes: { sha256: sha256Hex(bytes) }, custom };
}
