import { z } from 'zod';

import { parseStrictJson } from './strict-json.ts';
import { TrustRootError } from './trust-root-error.ts';

/** The top-level roles (TUF spec §2.1). */
export type TopLevelRole = 'root' | 'timestamp' | 'snapshot' | 'targets';

/** A public key as TUF metadata carries it. */
export interface TufKey {
  readonly keytype: string;
  readonly scheme: string;
  readonly keyval: { readonly public: string };
}

/** Which keys may sign for a role, and how many must. */
export interface RoleKeys {
  readonly keyIds: readonly string[];
  readonly threshold: number;
}

/** A version, and where given the length and hashes, of other metadata. */
export interface MetaFile {
  readonly version: number;
  readonly length?: number | undefined;
  readonly hashes?: Readonly<Record<string, string>> | undefined;
}

/** A target as its role describes it. */
export interface TargetFile {
  readonly length: number;
  readonly hashes: Readonly<Record<string, string>>;
  readonly custom: Readonly<Record<string, unknown>>;
}

/** A delegation to another targets role. */
export interface DelegatedRole extends RoleKeys {
  readonly name: string;
  readonly terminating: boolean;
  readonly paths?: readonly string[] | undefined;
  readonly pathHashPrefixes?: readonly string[] | undefined;
}

/** Delegation to 2^bitLength hash bins (TAP 15). */
export interface SuccinctRoles extends RoleKeys {
  readonly bitLength: number;
  readonly namePrefix: string;
}

/** All delegations of a targets role. */
export interface Delegations {
  readonly keys: ReadonlyMap<string, TufKey>;
  readonly roles: readonly DelegatedRole[];
  readonly succinct?: SuccinctRoles;
}

/** A signed document: its bytes, its canonical-form input, its signatures, and what every role has. */
export interface TufDocument {
  readonly bytes: Buffer;
  /** The `signed` member as parsed; signatures are over its canonical form. */
  readonly signed: Readonly<Record<string, unknown>>;
  /** Signature in hex by key id. */
  readonly signatures: ReadonlyMap<string, string>;
  readonly version: number;
  readonly expires: Date;
}

export interface RootDocument extends TufDocument {
  readonly keys: ReadonlyMap<string, TufKey>;
  readonly roles: Readonly<Record<TopLevelRole, RoleKeys>>;
  readonly consistentSnapshot: boolean;
}

export interface TimestampDocument extends TufDocument {
  readonly snapshot: MetaFile;
  /** `x-sealift-signed-at`: when it was signed, by the signer's clock. Sealift's own repositories have it. */
  readonly signedAt: Date | undefined;
}

export interface SnapshotDocument extends TufDocument {
  /** By file name without a version: `targets.json`, `upstream.json`. */
  readonly meta: ReadonlyMap<string, MetaFile>;
}

export interface TargetsDocument extends TufDocument {
  readonly targets: ReadonlyMap<string, TargetFile>;
  readonly delegations: Delegations | undefined;
}

/** The member of a timestamp's signed part that tells when it was signed. */
export const SIGNED_AT = 'x-sealift-signed-at';

/** Most bytes of each role's metadata; the same as in python-tuf and tuf-js. */
export const MAX_BYTES: Readonly<Record<TopLevelRole, number>> = {
  root: 512_000,
  timestamp: 16_384,
  snapshot: 2_000_000,
  targets: 5_000_000,
};

const MAX_DELEGATIONS = 1024;
const MAX_KEYS = 1024;
const MAX_SIGNATURES = 256;

const time = z
  .string()
  .regex(/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z$/)
  .refine((text) => !Number.isNaN(Date.parse(text)))
  .transform((text) => new Date(text));
const positive = z.int().min(1);
const key = z.looseObject({ keytype: z.string(), scheme: z.string(), keyval: z.looseObject({ public: z.string() }) });
const keys = z.record(z.string(), key).refine((value) => Object.keys(value).length <= MAX_KEYS);
const roleKeys = z
  .looseObject({ keyids: z.array(z.string()).max(MAX_KEYS), threshold: positive })
  .refine(({ keyids }) => new Set(keyids).size === keyids.length, 'a key id is there twice')
  .transform(({ keyids, threshold, ...rest }) => ({ ...rest, keyIds: keyids, threshold }));
const hashes = z.record(z.string(), z.string().regex(/^[0-9a-f]+$/)).refine((value) => Object.keys(value).length > 0);
const metaFile = z.looseObject({ version: positive, length: z.int().min(0).optional(), hashes: hashes.optional() });
const targetFile = z
  .looseObject({ length: z.int().min(0), hashes, custom: z.record(z.string(), z.unknown()).optional() })
  .transform(({ length, hashes: value, custom }): TargetFile => ({ length, hashes: value, custom: custom ?? {} }));

const common = {
  spec_version: z.string().regex(/^1\.\d+(?:\.\d+)?$/),
  version: positive,
  expires: time,
};
const rootSigned = z.looseObject({
  ...common,
  _type: z.literal('root'),
  consistent_snapshot: z.boolean().optional(),
  keys,
  roles: z.looseObject({ root: roleKeys, timestamp: roleKeys, snapshot: roleKeys, targets: roleKeys }),
});
const timestampSigned = z.looseObject({
  ...common,
  _type: z.literal('timestamp'),
  meta: z.looseObject({ 'snapshot.json': metaFile }),
  [SIGNED_AT]: time.optional(),
});
const snapshotSigned = z.looseObject({
  ...common,
  _type: z.literal('snapshot'),
  meta: z.record(z.string(), metaFile),
});
const delegatedRole = z.looseObject({
  name: z.string().min(1).max(512),
  keyids: z.array(z.string()).max(MAX_KEYS),
  threshold: positive,
  terminating: z.boolean(),
  paths: z.array(z.string()).optional(),
  path_hash_prefixes: z.array(z.string()).optional(),
});
const succinctRoles = z.looseObject({
  keyids: z.array(z.string()).max(MAX_KEYS),
  threshold: positive,
  bit_length: z.int().min(1).max(32),
  name_prefix: z.string(),
});
const delegations = z.looseObject({
  keys,
  roles: z.array(delegatedRole).max(MAX_DELEGATIONS).optional(),
  succinct_roles: succinctRoles.optional(),
});
const targetsSigned = z.looseObject({
  ...common,
  _type: z.literal('targets'),
  targets: z.record(z.string(), targetFile).optional(),
  delegations: delegations.optional(),
});
const envelope = z.looseObject({
  signed: z.record(z.string(), z.unknown()),
  signatures: z.array(z.looseObject({ keyid: z.string(), sig: z.string() })).max(MAX_SIGNATURES),
});

interface Opened<T> {
  readonly base: Omit<TufDocument, 'version' | 'expires'>;
  readonly signed: T;
}

function open<T extends z.ZodType>(
  bytes: Buffer,
  schema: T,
  { what, maxBytes }: { what: string; maxBytes: number },
): Opened<z.output<T>> {
  const value = parseStrictJson(bytes, what, { maxBytes, code: 'METADATA_INVALID' });
  const outer = envelope.safeParse(value);
  if (!outer.success) throw invalid(what, outer.error);
  const signatures = new Map(outer.data.signatures.map(({ keyid, sig }) => [keyid, sig]));
  if (signatures.size !== outer.data.signatures.length) throw invalid(what, 'two signatures of one key');
  const inner = schema.safeParse(outer.data.signed);
  if (!inner.success) throw invalid(what, inner.error);
  return { base: { bytes, signed: outer.data.signed, signatures }, signed: inner.data };
}

function invalid(what: string, reason: z.ZodError | string): TrustRootError {
  const issue = typeof reason === 'string' ? undefined : reason.issues[0];
  const said = issue === undefined ? String(reason) : `${issue.path.map(String).join('.')}: ${issue.message}`;
  return new TrustRootError('METADATA_INVALID', `${what}: not TUF metadata (${said.slice(0, 300)})`);
}

/** Reads root metadata; checks its form only. @throws TrustRootError `METADATA_INVALID`. */
export function parseRoot(bytes: Buffer, what = 'root'): RootDocument {
  const { base, signed } = open(bytes, rootSigned, { what, maxBytes: MAX_BYTES.root });
  const { root, timestamp, snapshot, targets } = signed.roles;
  return {
    ...base,
    version: signed.version,
    expires: signed.expires,
    keys: new Map(Object.entries(signed.keys)),
    roles: { root, timestamp, snapshot, targets },
    consistentSnapshot: signed.consistent_snapshot ?? false,
  };
}

/** Reads timestamp metadata; checks its form only. @throws TrustRootError `METADATA_INVALID`. */
export function parseTimestamp(bytes: Buffer, what = 'timestamp'): TimestampDocument {
  const { base, signed } = open(bytes, timestampSigned, { what, maxBytes: MAX_BYTES.timestamp });
  const { version, expires, meta } = signed;
  return { ...base, version, expires, snapshot: meta['snapshot.json'], signedAt: signed[SIGNED_AT] };
}

/** Reads snapshot metadata; checks its form only. @throws TrustRootError `METADATA_INVALID`. */
export function parseSnapshot(bytes: Buffer, what = 'snapshot'): SnapshotDocument {
  const { base, signed } = open(bytes, snapshotSigned, { what, maxBytes: MAX_BYTES.snapshot });
  return { ...base, version: signed.version, expires: signed.expires, meta: new Map(Object.entries(signed.meta)) };
}

/** Reads targets metadata, top-level or delegated; checks its form only. @throws TrustRootError `METADATA_INVALID`. */
export function parseTargets(bytes: Buffer, what = 'targets'): TargetsDocument {
  const { base, signed } = open(bytes, targetsSigned, { what, maxBytes: MAX_BYTES.targets });
  return {
    ...base,
    version: signed.version,
    expires: signed.expires,
    targets: new Map(Object.entries(signed.targets ?? {})),
    delegations: signed.delegations === undefined ? undefined : delegationsOf(signed.delegations, what),
  };
}

function delegationsOf(value: z.output<typeof delegations>, what: string): Delegations {
  const roles = (value.roles ?? []).map((role): DelegatedRole => {
    const { name, keyids, threshold, terminating, paths, path_hash_prefixes: pathHashPrefixes } = role;
    if ((paths === undefined) === (pathHashPrefixes === undefined)) {
      throw invalid(what, `delegation ${name}: paths or path_hash_prefixes, one of them`);
    }
    if (['root', 'timestamp', 'snapshot', 'targets'].includes(name)) {
      throw invalid(what, `delegation ${name}: the name of a top-level role`);
    }
    return { name, keyIds: keyids, threshold, terminating, paths, pathHashPrefixes };
  });
  if (new Set(roles.map((role) => role.name)).size !== roles.length) throw invalid(what, 'a role is delegated twice');
  const succinct = value.succinct_roles;
  return {
    keys: new Map(Object.entries(value.keys)),
    roles,
    ...(succinct === undefined
      ? {}
      : {
          succinct: {
            keyIds: succinct.keyids,
            threshold: succinct.threshold,
            bitLength: succinct.bit_length,
            namePrefix: succinct.name_prefix,
          },
        }),
  };
}
