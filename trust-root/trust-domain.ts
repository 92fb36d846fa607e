import type { VerifiedGeneration } from './generation.ts';
import { TrustRootError } from './trust-root-error.ts';

/** One Sigstore instance as a verifier sees it. Its logs and CAs are never mixed with another's. */
export interface TrustDomain {
  /** `site`, or the upstream's name, e.g. `sigstore.dev`. */
  readonly name: string;
  /** The bytes of its `trusted_root.json` (TrustedRoot, proto3 JSON), as the site's TUF chain vouches for them. */
  readonly trustedRoot: Buffer;
  readonly staleness: DomainStaleness;
}

/** How old a domain's trust is. */
export interface DomainStaleness {
  /** When an upstream domain was captured on the connected side; nothing for the site's own. */
  readonly capturedAt?: Date;
}

/** The name of the site's own trust domain. */
export const SITE_DOMAIN = 'site';

const DOMAIN = /^[a-z0-9](?:[a-z0-9.-]{0,126}[a-z0-9])?$/;
const UPSTREAM_TARGET = /^upstream\/([^/]+)\/trusted_root\.json$/;

/** True when `name` can be an upstream's name: lower-case letters, digits, dots and dashes, and not `site`. */
export function isUpstreamDomain(name: string): boolean {
  return DOMAIN.test(name) && !name.includes('..') && name !== SITE_DOMAIN;
}

/** The target that holds the trusted root of the domain `name`. @throws TrustRootError `NAME_INVALID`. */
export function trustedRootTarget(name: string): string {
  if (name === SITE_DOMAIN) return 'trusted_root.json';
  if (!isUpstreamDomain(name))
    throw new TrustRootError('NAME_INVALID', `not a trust domain's name: ${JSON.stringify(name)}`);
  return `upstream/${name}/trusted_root.json`;
}

/** The names of all trust domains in a generation: `site` first when there, then the upstream ones, sorted. */
export function trustDomainNames(generation: VerifiedGeneration): string[] {
  const targets = generation.targetNames();
  const upstream = targets
    .map((target) => UPSTREAM_TARGET.exec(target)?.[1])
    .filter((name): name is string => name !== undefined && isUpstreamDomain(name));
  return [...(targets.includes('trusted_root.json') ? [SITE_DOMAIN] : []), ...upstream.sort()];
}

/** The trust domain `name` of a generation. @throws TrustRootError `TARGET_UNKNOWN` when the generation has none. */
export async function loadTrustDomain(generation: VerifiedGeneration, name: string): Promise<TrustDomain> {
  const target = trustedRootTarget(name);
  const trustedRoot = await generation.target(target);
  const captured = generation.targetCustom(target)['capturedAt'];
  const capturedAt = typeof captured === 'string' ? new Date(captured) : undefined;
  const known = capturedAt !== undefined && !Number.isNaN(capturedAt.getTime());
  return { name, trustedRoot, staleness: known ? { capturedAt } : {} };
}
