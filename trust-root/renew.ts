import { writeRoot } from './metadata-writer.ts';
import { assertFollowable, draftRole, keySetOf, type PublishContext, publishDraft, signTimestamp } from './publish.ts';
import { expiryFrom } from './repository-policy.ts';
import type { RepositoryState } from './repository-state.ts';
import type { Signer } from './signer.ts';
import { assertClockAfter } from './time-floor.ts';

/** An offline role that is signed anew, and by whom: as many of its present keys as its threshold asks for. */
export interface Renewal {
  readonly role: 'root' | 'targets' | 'upstream';
  readonly signers: readonly Signer[];
}

/**
 * Signs an offline role's metadata anew with the keys it has: the next version, a new expiry, the same content.
 * @returns the role's new version.
 * @throws TrustRootError `SIGNATURES_BELOW_THRESHOLD`; see publishDraft.
 */
export async function renewRole(context: PublishContext, state: RepositoryState, renewal: Renewal): Promise<number> {
  const { role, signers } = renewal;
  if (role === 'root') return renewRoot(context, state, signers);
  const draft = await draftRole(context, state, { role, change: {}, signers });
  await publishDraft(context, state, draft);
  return draft.roles.get(role)?.version ?? 0;
}

async function renewRoot(context: PublishContext, state: RepositoryState, signers: readonly Signer[]): Promise<number> {
  const { clock, policy, store } = context;
  const now = clock.now();
  assertClockAfter(state.timestamp.signedAt, now);
  const { keys, roles } = state.root;
  const version = state.root.version + 1;
  const sets = {
    root: keySetOf(roles.root, keys),
    targets: keySetOf(roles.targets, keys),
    snapshot: keySetOf(roles.snapshot, keys),
    timestamp: keySetOf(roles.timestamp, keys),
  };
  const root = await writeRoot({ version, expires: expiryFrom(now, policy.root.expiryDays) }, sets, signers);
  const published = { timestampVersion: state.timestamp.version + 1, snapshotVersion: state.snapshot.version };
  const files = new Map([
    [`${version}.root.json`, root],
    ['root.json', root],
    ['timestamp.json', await signTimestamp(context, published, state.snapshot.bytes)],
  ]);
  await assertFollowable(state, files);
  await store.publish(files, { timestampVersion: state.timestamp.version });
  return version;
}
