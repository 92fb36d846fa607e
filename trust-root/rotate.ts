import { assertKeySets, type RepositoryKeys, roleKeySets, siteDelegations } from './initialise.ts';
import { writeRoot, writeTargets } from './metadata-writer.ts';
import { assertFollowable, type Draft, type PublishContext, publishDraft, signTimestamp } from './publish.ts';
import { expiryFrom } from './repository-policy.ts';
import { loadRepository, nextVersion, type RepositoryState, roleIn } from './repository-state.ts';
import type { Signer } from './signer.ts';
import { assertClockAfter } from './time-floor.ts';

/** New keys for some roles. */
export type Rotation = Partial<RepositoryKeys>;

/** A repository's keys and what they become. */
interface Change {
  readonly from: RepositoryKeys;
  readonly to: RepositoryKeys;
}

/**
 * Gives roles new keys. Clients see two states, each whole: first everything signed by old and new keys under the old
 * root, then the new root. So one that reads in between, with either root, finds all that it needs.
 * @param from the keys until now, all of whose signers must be at hand.
 * @returns the keys from now on.
 * @throws TrustRootError `AUTHORING_REFUSED`; see publishDraft.
 */
export async function rotateKeys(
  context: PublishContext,
  from: RepositoryKeys,
  rotation: Rotation,
): Promise<RepositoryKeys> {
  const change = { from, to: { ...from, ...rotation } };
  assertKeySets(roleKeySets(change.to));
  const both: PublishContext = {
    ...context,
    online: {
      snapshot: union([from.snapshot], [change.to.snapshot]),
      timestamp: union([from.timestamp], [change.to.timestamp]),
    },
  };
  const before = await loadRepository(context.store);
  await publishDraft(both, before, await signedByBoth(both, before, change));
  const { root, targets, snapshot, timestamp } = rotation;
  if ([root, targets, snapshot, timestamp].some((keys) => keys !== undefined)) await publishRoot(both, change);
  return change.to;
}

/** New `targets` with the new delegations, signed by old and new keys; delegated roles with new keys signed by those. */
async function signedByBoth(context: PublishContext, state: RepositoryState, { from, to }: Change): Promise<Draft> {
  const now = context.clock.now();
  const sets = roleKeySets(to);
  const roles = new Map<string, { version: number; bytes: Buffer }>();
  const write = async (role: 'targets' | 'upstream' | 'site-state', signers: readonly Signer[]): Promise<void> => {
    const { targets, version: current } = roleIn(state, role);
    const version = nextVersion(state, role, current);
    const expires = expiryFrom(now, context.policy[role].expiryDays);
    const delegations = role === 'targets' ? { delegations: siteDelegations(sets.upstream, sets['site-state']) } : {};
    roles.set(role, { version, bytes: await writeTargets({ version, expires }, { targets, ...delegations }, signers) });
  };
  const { targets, upstream, siteState } = to;
  if (targets !== from.targets || upstream !== from.upstream || siteState !== from.siteState) {
    await write('targets', union(from.targets.signers, targets.signers));
  }
  if (upstream !== from.upstream) await write('upstream', upstream.signers);
  if (siteState !== from.siteState) await write('site-state', [siteState]);
  return { roles, files: new Map() };
}

/** The next root, signed by the old and the new root keys, and a timestamp that both roots' clients take. */
async function publishRoot(context: PublishContext, { from, to }: Change): Promise<void> {
  const state = await loadRepository(context.store);
  const now = context.clock.now();
  assertClockAfter(state.timestamp.signedAt, now);
  const version = state.root.version + 1;
  const edition = { version, expires: expiryFrom(now, context.policy.root.expiryDays) };
  const root = await writeRoot(edition, roleKeySets(to), union(from.root.signers, to.root.signers));
  const published = { timestampVersion: state.timestamp.version + 1, snapshotVersion: state.snapshot.version };
  const files = new Map([
    [`${version}.root.json`, root],
    ['root.json', root],
    ['timestamp.json', await signTimestamp(context, published, state.snapshot.bytes)],
  ]);
  await assertFollowable(state, files);
  await context.store.publish(files, { timestampVersion: state.timestamp.version });
}

function union(a: readonly Signer[], b: readonly Signer[]): Signer[] {
  return [...new Map([...a, ...b].map((signer) => [signer.keyId, signer])).values()];
}
