import { z } from 'zod';

import { isUpstreamDomain } from '../../trust-root/trust-domain.ts';
import { describeError } from '../kernel/coded-error.ts';
import { parseJson } from '../kernel/json.ts';
import { VerificationError } from './verification-error.ts';

/** What to do with trust that was captured more than `maxAgeDays` ago. */
export interface StalenessRule {
  readonly maxAgeDays: number;
  readonly onStale: 'warn' | 'deny';
}

/** Rules by the name of an upstream's trust domain; one that is not named may be of any age. */
export type StalenessRules = Readonly<Record<string, StalenessRule>>;

/** The target of the site's TUF repository that holds the rules: the cluster can't loosen them. */
export const STALENESS_TARGET = 'staleness.json';

const MAX_BYTES = 1024 * 1024;
const MAX_DOMAINS = 1000;
const DAY_MS = 24 * 60 * 60 * 1000;

const ruleSchema = z.strictObject({
  maxAgeDays: z.int().min(1).max(36_500),
  onStale: z.enum(['warn', 'deny']),
});

/** Rules by domain. The site's own trust is never captured, so there is no rule for it. */
const rulesSchema = z.record(z.string(), ruleSchema).superRefine((rules, context) => {
  const names = Object.keys(rules);
  if (names.length > MAX_DOMAINS) context.addIssue({ code: 'custom', message: `at most ${MAX_DOMAINS} domains` });
  for (const name of names) {
    if (isUpstreamDomain(name)) continue;
    context.addIssue({ code: 'custom', path: [name], message: "not the name of an upstream's trust domain" });
  }
});

const documentSchema = z.strictObject({ schemaVersion: z.literal(1), domains: rulesSchema });

/** Reads {@link STALENESS_TARGET}. @throws VerificationError `TRUST_ROOT_INVALID`. */
export function parseStalenessRules(bytes: Buffer): StalenessRules {
  try {
    return documentSchema.parse(parseJson(bytes, STALENESS_TARGET, { maxBytes: MAX_BYTES })).domains;
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause) : describeError(cause);
    throw new VerificationError('TRUST_ROOT_INVALID', `${STALENESS_TARGET}: ${why}`, {
      cause,
      fix: "correct trust.staleness in the site's configuration, and publish it with sealift install",
    });
  }
}

/** The text of {@link STALENESS_TARGET}; equal rules, equal text. */
export function serializeStalenessRules(rules: StalenessRules): string {
  const domains = Object.entries(rules)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { maxAgeDays, onStale }]) => [name, { maxAgeDays, onStale }] as const);
  return `${JSON.stringify({ schemaVersion: 1, domains: Object.fromEntries(domains) }, undefined, 2)}\n`;
}

/** The moment from which trust captured at `capturedAt` is too old. */
export function staleFrom(capturedAt: Date, { maxAgeDays }: StalenessRule): Date {
  return new Date(capturedAt.getTime() + maxAgeDays * DAY_MS);
}

/** That a domain's trust is too old, for people. */
export function describeStale(domain: string, capturedAt: Date, { maxAgeDays }: StalenessRule): string {
  return `the trust of ${domain} was captured ${capturedAt.toISOString()}, more than ${maxAgeDays} days ago; bring a newer bundle`;
}
