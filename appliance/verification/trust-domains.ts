import { z } from 'zod';

import type { TrustDomain } from '../../trust-root/trust-domain.ts';
import { type Digest, digestOf } from '../kernel/digest.ts';
import { canonicalJson } from '../kernel/json.ts';
import type { LogAnchor } from './log-level.ts';
import { type SigstoreVerifier, sigstoreVerifier } from './sigstore-verifier.ts';
import type { StalenessRule, StalenessRules } from './staleness-rules.ts';
import { type DomainMaterial, parseTrustedRoot } from './trust-material.ts';

/** The trust domains of one generation, each with its verifier, made once and used for every image. */
export interface TrustDomains {
  /** Names of the domains that are there. */
  readonly names: readonly string[];
  /** The domain that a policy means when it names none. */
  readonly defaultName: string;
  /** Digest over every domain's name, trusted root, age rule and anchors. */
  readonly identity: Digest;
  get(name: string): LoadedDomain | undefined;
  /** The domain that has a certificate authority, or a log, at the host of `url`. */
  findByHost(kind: 'authority' | 'log', url: string): LoadedDomain | undefined;
}

/** One trust domain, ready to verify with. */
export interface LoadedDomain {
  readonly name: string;
  readonly verifier: SigstoreVerifier;
  /** When its trust was captured upstream; nothing for the site's own. */
  readonly capturedAt: Date | undefined;
  /** How old captured trust may be; nothing: any age. */
  readonly staleness: StalenessRule | undefined;
}

/** The name that public Sigstore's trust has when it is captured under its own name. */
export const PUBLIC_DOMAIN = 'sigstore.dev';

export interface TrustDomainsOptions {
  /** The domain that a policy means when it names none; upstream's rule, public Sigstore, unless told. */
  readonly defaultName?: string;
  readonly staleness?: StalenessRules;
  /** Verified checkpoints that this site holds, by domain. */
  readonly anchors?: Readonly<Record<string, readonly LogAnchor[]>>;
}

/**
 * Loads trust domains. They are kept apart: a signature is judged by one domain, which the policy chooses, never the
 * signature. Of two domains of one name the first counts, so put what the TUF chain vouches for before what the
 * cluster's TrustRoot objects say.
 * @throws VerificationError `TRUST_ROOT_INVALID`.
 */
export function trustDomains(domains: readonly TrustDomain[], options: TrustDomainsOptions = {}): TrustDomains {
  const loaded = new Map<string, LoadedDomain & { material: DomainMaterial }>();
  for (const domain of domains) if (!loaded.has(domain.name)) loaded.set(domain.name, load(domain, options));
  const defaultName = options.defaultName ?? PUBLIC_DOMAIN;
  return {
    names: [...loaded.keys()],
    defaultName,
    identity: identityOf(domains, options),
    get: (name) => loaded.get(name),
    findByHost: (kind, url) => {
      const host = hostOf(url);
      return [...loaded.values()].find(({ material }) => {
        const urls = kind === 'authority' ? material.authorityUrls : material.logs.map(({ baseUrl }) => baseUrl);
        return host !== undefined && urls.some((one) => hostOf(one) === host);
      });
    },
  };
}

function load(domain: TrustDomain, { staleness = {}, anchors = {} }: TrustDomainsOptions) {
  const { name } = domain;
  const material = parseTrustedRoot(domain.trustedRoot, name);
  return {
    name,
    material,
    verifier: sigstoreVerifier(material, Object.hasOwn(anchors, name) ? anchors[name] : []),
    capturedAt: domain.staleness.capturedAt,
    staleness: Object.hasOwn(staleness, name) ? staleness[name] : undefined,
  };
}

function identityOf(
  domains: readonly TrustDomain[],
  { defaultName, staleness = {}, anchors = {} }: TrustDomainsOptions,
) {
  const parts = domains.map(({ name, trustedRoot, staleness: { capturedAt } }) => [
    name,
    digestOf(trustedRoot),
    capturedAt?.toISOString() ?? '',
  ]);
  const rules = Object.entries(staleness).map(([name, rule]) => [name, rule.maxAgeDays, rule.onStale]);
  const heads = Object.entries(anchors).flatMap(([name, list]) =>
    list.map(({ origin, size, rootHash }) => [name, origin, String(size), rootHash.toString('hex')]),
  );
  return digestOf(canonicalJson([defaultName ?? PUBLIC_DOMAIN, parts, rules, heads]));
}

function hostOf(url: string): string | undefined {
  const parsed = z.url().safeParse(url);
  return parsed.success ? new URL(parsed.data).host : undefined;
}
