import { z } from 'zod';

import { TrustRootError } from './trust-root-error.ts';

/** The roles of a site's repository. */
export type SiteRole = 'root' | 'targets' | 'upstream' | 'snapshot' | 'timestamp' | 'site-state';

/** How long a role's metadata lives, and when it is signed anew; both in days. */
export interface RolePolicy {
  readonly expiryDays: number;
  /** Signed anew once this many days or fewer are left. */
  readonly signAtDaysLeft: number;
}

/** The expiries and signing windows of a repository. */
export type RepositoryPolicy = Readonly<Record<SiteRole, RolePolicy>>;

/**
 * The defaults: offline roles live for more than a year with a third of it to gather the officers; the timestamp lives a
 * week and is signed daily, so that six missed runs are survived.
 */
export const DEFAULT_POLICY: RepositoryPolicy = {
  root: { expiryDays: 400, signAtDaysLeft: 120 },
  targets: { expiryDays: 400, signAtDaysLeft: 120 },
  upstream: { expiryDays: 180, signAtDaysLeft: 60 },
  snapshot: { expiryDays: 90, signAtDaysLeft: 45 },
  timestamp: { expiryDays: 7, signAtDaysLeft: 6 },
  'site-state': { expiryDays: 90, signAtDaysLeft: 45 },
};

const rolePolicy = z
  .strictObject({ expiryDays: z.number().positive().max(3650), signAtDaysLeft: z.number().positive() })
  .refine((role) => role.signAtDaysLeft < role.expiryDays, 'signAtDaysLeft must be below expiryDays');
const repositoryPolicy = z.strictObject({
  root: rolePolicy.optional(),
  targets: rolePolicy.optional(),
  upstream: rolePolicy.optional(),
  snapshot: rolePolicy.optional(),
  timestamp: rolePolicy.optional(),
  'site-state': rolePolicy.optional(),
});

/** Reads the part of a policy that differs from the defaults. @throws TrustRootError `CONFIG_INVALID`. */
export function parseRepositoryPolicy(value: unknown): RepositoryPolicy {
  const parsed = repositoryPolicy.safeParse(value);
  if (!parsed.success) {
    throw new TrustRootError('CONFIG_INVALID', `trust root expiries: ${z.prettifyError(parsed.error)}`);
  }
  const given = Object.entries(parsed.data).filter(([, role]) => role !== undefined);
  return { ...DEFAULT_POLICY, ...Object.fromEntries(given) };
}

const DAY_MS = 86_400_000;

/** `now` plus `days` days, in whole seconds as TUF writes times (`YYYY-MM-DDTHH:MM:SSZ`). */
export function expiryFrom(now: Date, days: number): string {
  return tufTime(new Date(now.getTime() + days * DAY_MS));
}

/** A time in TUF's form; parts of a second are dropped. */
export function tufTime(time: Date): string {
  return time.toISOString().replace(/\.\d{3}Z$/, 'Z');
}

/** Days from `now` to `expires`; negative once it has expired. */
export function daysLeft(expires: Date, now: Date): number {
  return (expires.getTime() - now.getTime()) / DAY_MS;
}
