import { z } from 'zod';
import type { Clock } from '../appliance/kernel/clock.ts';
import { canonicalJson, type JsonValue } from '../appliance/kernel/json.ts';
import { parseStrictJson } from './strict-json.ts';
import { isUpstreamDomain } from './trust-domain.ts';
import { TrustRootError } from './trust-root-error.ts';
import { type KeptMetadata, type TrustedMetadata, TufClient } from './tuf-client.ts';
import type { TufTransport } from './tuf-transport.ts';

/** The versions of an upstream's metadata in a capsule. */
export interface CapsuleVersions {
  readonly root: number;
  readonly timestamp: number;
  readonly snapshot: number;
  readonly targets: number;
}

/** A capsule that was checked. */
export interface VerifiedCapsule {
  readonly domain: string;
  readonly capturedAt: Date;
  readonly versions: CapsuleVersions;
  /** The upstream's targets that it holds: `trusted_root.json`, and its signing config where there is one. */
  readonly targets: ReadonlyMap<string, Buffer>;
  readonly bytes: Buffer;
}

/** What an upstream is captured from. */
export interface CaptureRequest {
  /** The trust domain's name, e.g. `sigstore.dev`. */
  readonly domain: string;
  readonly transport: TufTransport;
  /** The upstream root that the capture starts from, obtained by a way that is trusted. */
  readonly root: Buffer;
  readonly clock: Clock;
}

/** The targets that a capture takes; only the first must be there. */
const TARGETS = ['trusted_root.json', 'signing_config.v0.2.json'] as const;
const MAX_CAPSULE_BYTES = 32 * 1024 * 1024;

const base64 = z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/);
const capsuleFile = z.strictObject({
  schemaVersion: z.literal(1),
  domain: z.string().refine(isUpstreamDomain),
  capturedAt: z.iso.datetime(),
  roots: z.array(base64).min(1).max(1024),
  timestamp: base64,
  snapshot: base64,
  roles: z.record(z.string(), base64),
  targets: z.record(z.string(), base64),
});

/**
 * Follows an upstream repository by the full client workflow, from `root` on, and keeps all that shows its trusted root to
 * be genuine: every root, timestamp, snapshot, targets roles, the targets themselves.
 * @returns the capsule's bytes: canonical JSON, so the same capture is the same file.
 * @throws TrustRootError what the client refused; `TARGET_UNKNOWN` when the upstream has no `trusted_root.json`.
 */
export async function captureUpstream({ domain, transport, root, clock }: CaptureRequest): Promise<Buffer> {
  if (!isUpstreamDomain(domain))
    throw new TrustRootError('NAME_INVALID', `not a trust domain's name: ${JSON.stringify(domain)}`);
  // Whole seconds, and never after the moment at which expiry was checked.
  const capturedAt = new Date(Math.floor(clock.now().getTime() / 1000) * 1000);
  const client = new TufClient({
    transport,
    clock: { now: () => capturedAt },
    kept: { roots: [root] },
    strictKeyIds: false,
  });
  await client.refresh();
  const targets: Record<string, string> = {};
  for (const name of TARGETS) {
    const target = await client.findTarget(name);
    if (target !== undefined) targets[name] = (await client.download(target)).toString('base64');
    else if (name === TARGETS[0])
      throw new TrustRootError('TARGET_UNKNOWN', `${domain}: the repository has no ${name}`);
  }
  const trusted = client.trusted();
  const roles = [...trusted.targets].map(([role, bytes]) => [role, bytes.toString('base64')] as const);
  const capsule = {
    schemaVersion: 1,
    domain,
    capturedAt: capturedAt.toISOString(),
    roots: trusted.roots.map((bytes) => bytes.toString('base64')),
    timestamp: trusted.timestamp.toString('base64'),
    snapshot: trusted.snapshot.toString('base64'),
    roles: Object.fromEntries(roles),
    targets,
  } satisfies JsonValue;
  return Buffer.from(`${canonicalJson(capsule)}\n`);
}

/** What a capsule is checked against. */
export interface CapsuleExpectation {
  readonly domain: string;
  /** When the bundle's signed inventory says that it was captured. The capsule's own word is not enough. */
  readonly asOf: Date;
  /** The upstream root that this site takes for the domain. */
  readonly pinnedRoot: Buffer;
  readonly clock: Clock;
  /** The capsule that the site has now; a new one must not be older in any version, nor in time. */
  readonly previous?: VerifiedCapsule;
}

/**
 * Checks a capsule *as of its capture time*: the whole client workflow again, from the pinned upstream root, with that time
 * for every expiry. So metadata that lived for seven days upstream can be judged on a site years later.
 * @throws TrustRootError `CAPSULE_INVALID`, `CAPSULE_TIME` (after now, or outside of the metadata's own period),
 * `CAPSULE_BACKWARD`.
 */
export async function verifyCapsule(bytes: Buffer, expected: CapsuleExpectation): Promise<VerifiedCapsule> {
  const capsule = parseCapsule(bytes);
  assertTimes(capsule, expected);
  const trusted = await replay(capsule, expected).catch((cause: unknown) => {
    throw refusal(capsule.domain, cause);
  });
  const { root, timestamp, snapshot, targets } = trusted.set;
  const versions = {
    root: root.version,
    timestamp: timestamp?.version ?? 0,
    snapshot: snapshot?.version ?? 0,
    targets: targets.get('targets')?.version ?? 0,
  };
  assertForward(capsule.domain, versions, expected.previous);
  return {
    domain: capsule.domain,
    capturedAt: expected.asOf,
    versions,
    targets: new Map(Object.entries(capsule.targets).map(([name, text]) => [name, Buffer.from(text, 'base64')])),
    bytes,
  };
}

type CapsuleFile = z.output<typeof capsuleFile>;

function parseCapsule(bytes: Buffer): CapsuleFile {
  const value = parseStrictJson(bytes, 'capsule', { maxBytes: MAX_CAPSULE_BYTES, code: 'CAPSULE_INVALID' });
  const parsed = capsuleFile.safeParse(value);
  if (!parsed.success) throw new TrustRootError('CAPSULE_INVALID', `capsule: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

function assertTimes(
  { domain, capturedAt }: CapsuleFile,
  { domain: wanted, asOf, clock, previous }: CapsuleExpectation,
): void {
  if (domain !== wanted) throw new TrustRootError('CAPSULE_INVALID', `the capsule is of ${domain}, not of ${wanted}`);
  const said = `${domain}: captured ${capturedAt}`;
  if (new Date(capturedAt).getTime() !== asOf.getTime()) {
    throw new TrustRootError('CAPSULE_TIME', `${said}, but the signed inventory says ${asOf.toISOString()}`);
  }
  if (asOf > clock.now())
    throw new TrustRootError('CAPSULE_TIME', `${said}, which is after now (${clock.now().toISOString()})`);
  if (previous !== undefined && asOf < previous.capturedAt) {
    throw new TrustRootError('CAPSULE_BACKWARD', `${said}, before the one of ${previous.capturedAt.toISOString()}`);
  }
}

/** Runs a client over the capsule's own contents, at its capture time. */
async function replay(capsule: CapsuleFile, { asOf, pinnedRoot }: CapsuleExpectation): Promise<TrustedMetadata> {
  const roots = capsule.roots.map((text) => Buffer.from(text, 'base64'));
  if (roots[0]?.equals(pinnedRoot) !== true)
    throw new TrustRootError('PINNED_ROOT_DIFFERS', 'it does not start from the pinned root');
  const decode = (record: Readonly<Record<string, string>>): Map<string, Buffer> =>
    new Map(Object.entries(record).map(([name, text]) => [name, Buffer.from(text, 'base64')]));
  const kept: KeptMetadata = { roots };
  const transport = capsuleTransport(capsule, decode(capsule.roles));
  const client = new TufClient({ transport, clock: { now: () => asOf }, kept, strictKeyIds: false });
  await client.refresh();
  const targets = decode(capsule.targets);
  for (const [name, bytes] of targets) {
    const target = await client.findTarget(name);
    const downloaded = target === undefined ? undefined : await client.download(target);
    if (downloaded?.equals(bytes) !== true)
      throw new TrustRootError('TARGET_UNKNOWN', `the upstream does not vouch for ${name}`);
  }
  if (!targets.has(TARGETS[0])) throw new TrustRootError('TARGET_UNKNOWN', `it holds no ${TARGETS[0]}`);
  return client.trusted();
}

/** Serves a capsule's contents under any name that a client may ask for them by. */
function capsuleTransport(capsule: CapsuleFile, roles: ReadonlyMap<string, Buffer>): TufTransport {
  const targets = new Map(Object.entries(capsule.targets).map(([name, text]) => [name, Buffer.from(text, 'base64')]));
  return {
    fetch: async ({ kind, path, maxBytes }) => {
      const found =
        kind === 'target' ? targets.get(path.replace(/^[0-9a-f]{64,128}\./, '')) : metadataOf(capsule, roles, path);
      return found !== undefined && found.byteLength > maxBytes ? found.subarray(0, maxBytes + 1) : found;
    },
  };
}

function metadataOf(capsule: CapsuleFile, roles: ReadonlyMap<string, Buffer>, path: string): Buffer | undefined {
  const name = path.replace(/^\d+\./, '').replace(/\.json$/, '');
  if (name === 'root') return undefined;
  if (name === 'timestamp') return Buffer.from(capsule.timestamp, 'base64');
  return name === 'snapshot' ? Buffer.from(capsule.snapshot, 'base64') : roles.get(name);
}

function refusal(domain: string, cause: unknown): TrustRootError {
  if (!(cause instanceof TrustRootError)) throw cause;
  const code = cause.code === 'ROLE_EXPIRED' ? 'CAPSULE_TIME' : 'CAPSULE_INVALID';
  return new TrustRootError(code, `${domain}: the capsule does not check out as of its capture: ${cause.message}`, {
    cause,
  });
}

function assertForward(domain: string, versions: CapsuleVersions, previous: VerifiedCapsule | undefined): void {
  if (previous === undefined) return;
  for (const role of ['root', 'timestamp', 'snapshot', 'targets'] as const) {
    // Under a new root, versions may start over: that is how an upstream recovers (TUF 5.3.11).
    if (role !== 'root' && versions.root > previous.versions.root) continue;
    if (versions[role] < previous.versions[role]) {
      throw new TrustRootError(
        'CAPSULE_BACKWARD',
        `${domain}: ${role} v${versions[role]}, the site has v${previous.versions[role]}`,
      );
    }
  }
}
