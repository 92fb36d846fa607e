import type { TrustDomain } from '../../trust-root/trust-domain.ts';
import { describeStale, STALENESS_TARGET, type StalenessRules, staleFrom } from '../verification/staleness-rules.ts';
import { VerificationError } from '../verification/verification-error.ts';

/** A domain that has a rule on its age, and how it stands with it. */
export interface DomainAge {
  readonly domain: string;
  readonly maxAgeDays: number;
  readonly onStale: 'warn' | 'deny';
  /** Nothing when the site does not hold the domain. */
  readonly capturedAt: string | null;
  readonly staleFrom: string | null;
  readonly isStale: boolean;
}

/** How each domain with a rule stands at `now`, sorted by name. */
export function domainAges(domains: readonly TrustDomain[], rules: StalenessRules, now: Date): DomainAge[] {
  return Object.entries(rules)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([domain, { maxAgeDays, onStale }]) => {
      const capturedAt = domains.find(({ name }) => name === domain)?.staleness.capturedAt;
      const from = capturedAt === undefined ? undefined : staleFrom(capturedAt, { maxAgeDays, onStale });
      return {
        domain,
        maxAgeDays,
        onStale,
        capturedAt: capturedAt?.toISOString() ?? null,
        staleFrom: from?.toISOString() ?? null,
        isStale: from !== undefined && now >= from,
      };
    });
}

/** The domains that are too old, one line each. */
export function staleDomains(ages: readonly DomainAge[]): string[] {
  return ages.flatMap(({ domain, capturedAt, isStale, ...rule }) =>
    isStale && capturedAt !== null ? [describeStale(domain, new Date(capturedAt), rule)] : [],
  );
}

/**
 * Refuses domains whose age must be known and is not: a rule that can never say "too old" is none.
 * @throws VerificationError `TRUST_ROOT_INVALID`.
 */
export function assertAgesKnown(domains: readonly TrustDomain[], rules: StalenessRules): void {
  const ageless = domains.find(
    ({ name, staleness }) => Object.hasOwn(rules, name) && staleness.capturedAt === undefined,
  );
  if (ageless === undefined) return;
  const message = `${STALENESS_TARGET} has a rule for ${ageless.name}, whose trusted root does not say when it was captured`;
  throw new VerificationError('TRUST_ROOT_INVALID', message, { fix: 'bring a newer bundle, or take the rule away' });
}
