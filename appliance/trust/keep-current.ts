import { pruneRepository } from '../../trust-root/prune.ts';
import type { Published } from '../../trust-root/publish.ts';
import { type RoleStatus, refreshRepository, statusOf } from '../../trust-root/refresh.ts';
import type { RepositoryPolicy } from '../../trust-root/repository-policy.ts';
import { loadRepository } from '../../trust-root/repository-state.ts';
import type { RepositoryStore } from '../../trust-root/repository-store.ts';
import type { Signer } from '../../trust-root/signer.ts';
import { TrustRootError } from '../../trust-root/trust-root-error.ts';
import type { Clock } from '../kernel/clock.ts';
import type { OnlineRole } from './key-folder.ts';

/** A repository, and the keys that the cluster signs with. */
export interface RefreshRequest {
  readonly store: RepositoryStore;
  readonly clock: Clock;
  readonly policy: RepositoryPolicy;
  readonly signers: Readonly<Record<OnlineRole, Signer>>;
}

/** What a refresh did. */
export interface Refreshed {
  /** What was signed anew; nothing when nothing was due. */
  readonly published: Published | undefined;
  /** How many files that nothing leads to any more were taken away. */
  readonly pruned: number;
  readonly roles: readonly RoleStatus[];
}

/** Signs anew what is due and clears away what is old. A publisher that comes in between is met by one more try. */
export async function refreshTrust(request: RefreshRequest): Promise<Refreshed> {
  const published = await signDue(request).catch((error: unknown) => {
    if (error instanceof TrustRootError && error.code === 'STORE_CONFLICT') return signDue(request);
    throw error;
  });
  const state = await loadRepository(request.store);
  const pruned = await pruneRepository(request.store, state);
  return { published, pruned: pruned.length, roles: statusOf(state, request.policy, request.clock.now()) };
}

async function signDue({ store, clock, policy, signers }: RefreshRequest): Promise<Published | undefined> {
  const { snapshot, timestamp, 'site-state': siteState } = signers;
  const context = { store, policy, clock, online: { snapshot, timestamp } };
  return refreshRepository(context, await loadRepository(store), { siteState });
}

/** How every role stands, as lines of a table. */
export function statusLines(roles: readonly RoleStatus[]): string[] {
  const rows = roles.map(({ role, version, expires, daysLeft, condition, threshold, keyIds, online }) => [
    role,
    `v${version}`,
    expires.toISOString().slice(0, 10),
    daysLeft <= 0 ? 'expired' : `${Math.floor(daysLeft)} d left`,
    condition,
    `${threshold} of ${keyIds.length}`,
    online ? 'cluster' : 'offline',
  ]);
  const table = [['ROLE', 'VERSION', 'EXPIRES', 'LEFT', 'STATE', 'KEYS', 'WHERE'], ...rows];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  return table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** The roles that an operator must act on: offline ones that are due, and any that has expired. */
export function rolesToActOn(roles: readonly RoleStatus[]): RoleStatus[] {
  return roles.filter(({ condition, online }) => condition === 'expired' || (condition === 'due' && !online));
}
