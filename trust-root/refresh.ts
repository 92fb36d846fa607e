import {
  assertFollowable,
  draftRole,
  type PublishContext,
  type Published,
  publishDraft,
  signTimestamp,
} from './publish.ts';
import { daysLeft, type RepositoryPolicy, type SiteRole } from './repository-policy.ts';
import type { RepositoryState } from './repository-state.ts';
import type { Signer } from './signer.ts';
import { assertClockAfter } from './time-floor.ts';

/** How a role stands. */
export interface RoleStatus {
  readonly role: SiteRole;
  readonly version: number;
  readonly expires: Date;
  /** Days to expiry; negative after it. */
  readonly daysLeft: number;
  /** `due`: inside its signing window. */
  readonly condition: 'ok' | 'due' | 'expired';
  readonly keyIds: readonly string[];
  readonly threshold: number;
  /** True when the cluster signs it by itself. */
  readonly online: boolean;
}

/** Roles whose keys are in the cluster; timestamp always goes along. */
const ONLINE: ReadonlySet<SiteRole> = new Set<SiteRole>(['snapshot', 'timestamp', 'site-state']);

/** How every role of a repository stands at `now`; the first to expire first. */
export function statusOf(state: RepositoryState, policy: RepositoryPolicy, now: Date): RoleStatus[] {
  const delegated = state.roles.get('targets')?.delegations?.roles ?? [];
  const rows = [
    { role: 'root' as const, document: state.root, keys: state.root.roles.root },
    { role: 'timestamp' as const, document: state.timestamp, keys: state.root.roles.timestamp },
    { role: 'snapshot' as const, document: state.snapshot, keys: state.root.roles.snapshot },
    { role: 'targets' as const, document: state.roles.get('targets'), keys: state.root.roles.targets },
    ...(['upstream', 'site-state'] as const).map((role) => ({
      role,
      document: state.roles.get(role),
      keys: delegated.find(({ name }) => name === role),
    })),
  ];
  return rows
    .flatMap(({ role, document, keys }) => {
      if (document === undefined || keys === undefined) return [];
      const left = daysLeft(document.expires, now);
      const condition = left <= 0 ? 'expired' : left <= policy[role].signAtDaysLeft ? 'due' : 'ok';
      const { version, expires } = document;
      const { keyIds, threshold } = keys;
      return [
        { role, version, expires, daysLeft: left, condition, keyIds, threshold, online: ONLINE.has(role) } as const,
      ];
    })
    .sort((a, b) => a.daysLeft - b.daysLeft);
}

/**
 * Signs anew what the cluster's keys may sign and what is due: `site-state`, snapshot, timestamp.
 * @returns `undefined` when nothing is due.
 */
export async function refreshRepository(
  context: PublishContext,
  state: RepositoryState,
  { siteState }: { siteState: Signer },
): Promise<Published | undefined> {
  const { policy, clock, store } = context;
  const due = new Set(
    statusOf(state, policy, clock.now())
      .filter(({ online, condition }) => online && condition !== 'ok')
      .map(({ role }) => role),
  );
  if (due.size === 0) return undefined;
  if (due.has('site-state')) {
    const change = { role: 'site-state' as const, change: {}, signers: [siteState] };
    return publishDraft(context, state, await draftRole(context, state, change));
  }
  if (due.has('snapshot')) return publishDraft(context, state, { roles: new Map(), files: new Map() });
  assertClockAfter(state.timestamp.signedAt, clock.now());
  const published = { timestampVersion: state.timestamp.version + 1, snapshotVersion: state.snapshot.version };
  const files = new Map([['timestamp.json', await signTimestamp(context, published, state.snapshot.bytes)]]);
  await assertFollowable(state, files);
  await store.publish(files, { timestampVersion: state.timestamp.version });
  return { ...published, roles: ['timestamp'] };
}
