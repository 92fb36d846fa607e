import type { Clock } from '../kernel/clock.ts';
import type { KeyAuthority, KeylessAuthority } from './policy-authority.ts';
import { describeStale, staleFrom } from './staleness-rules.ts';
import type { LoadedDomain, TrustDomains } from './trust-domains.ts';
import type { ReasonCode } from './verdict.ts';

/** The domain that an authority is judged by, with what its age means. */
export interface ChosenDomain {
  readonly domain: LoadedDomain;
  /** When its captured trust gets too old, where that changes anything. */
  readonly staleFrom: Date | undefined;
  readonly warning: string | undefined;
}

export interface NoDomain {
  readonly code: ReasonCode;
  readonly message: string;
}

/**
 * The one trust domain that an authority means: by name (`trustRootRef`), else by the host of the certificate
 * authority (`keyless.url`) or of the log (`ctlog.url`), else the default. Two names in one authority are a refusal:
 * certificates of one domain and logs of another prove nothing together.
 */
export function chooseDomain(
  authority: KeyAuthority | KeylessAuthority,
  domains: TrustDomains,
  clock: Clock,
): ChosenDomain | NoDomain {
  const names = new Set(namedIn(authority));
  if (names.size > 1) {
    return {
      code: 'TRUST_DOMAIN_MIXED',
      message: `the policy mixes the trust domains ${[...names].join(' and ')}, which are never combined`,
    };
  }
  const [name] = names;
  const domain = name === undefined ? domainByHost(authority, domains) : domains.get(name);
  if (domain === undefined) return { code: 'TRUST_DOMAIN_UNKNOWN', message: unknownDomain(authority, name, domains) };
  return judgeAge(domain, clock);
}

function namedIn(authority: KeyAuthority | KeylessAuthority): string[] {
  const keyless = authority.kind === 'keyless' ? authority.trustRootRef : undefined;
  return [keyless, authority.log?.trustRootRef, authority.timestamp?.trustRootRef].filter(
    (name): name is string => name !== undefined && name !== '',
  );
}

function domainByHost(authority: KeyAuthority | KeylessAuthority, domains: TrustDomains): LoadedDomain | undefined {
  if (authority.kind === 'keyless' && authority.url !== undefined)
    return domains.findByHost('authority', authority.url);
  if (authority.log?.url !== undefined) return domains.findByHost('log', authority.log.url);
  return domains.get(domains.defaultName);
}

function unknownDomain(
  authority: KeyAuthority | KeylessAuthority,
  name: string | undefined,
  domains: TrustDomains,
): string {
  const url = (authority.kind === 'keyless' ? authority.url : undefined) ?? authority.log?.url;
  const wanted = name ?? (url === undefined ? domains.defaultName : `of ${url}`);
  const held = domains.names.join(', ') || 'none';
  return `the trust domain ${wanted} is not held here (held: ${held}); trustRootRef names the one to use`;
}

function judgeAge(domain: LoadedDomain, clock: Clock): ChosenDomain | NoDomain {
  const { capturedAt, staleness } = domain;
  if (capturedAt === undefined || staleness === undefined) return { domain, staleFrom: undefined, warning: undefined };
  const from = staleFrom(capturedAt, staleness);
  if (clock.now() < from) return { domain, staleFrom: from, warning: undefined };
  const message = describeStale(domain.name, capturedAt, staleness);
  return staleness.onStale === 'deny'
    ? { code: 'TRUST_STALE', message }
    : { domain, staleFrom: undefined, warning: message };
}
