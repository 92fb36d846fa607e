import { createHash } from 'node:crypto';
import { type CapsuleExpectation, type VerifiedCapsule, verifyCapsule } from './capsule.ts';
import { draftRole, type PublishContext, type Published, publishDraft } from './publish.ts';
import { tufTime } from './repository-policy.ts';
import { type RepositoryState, roleIn } from './repository-state.ts';
import type { RepositoryStore } from './repository-store.ts';
import type { Signer } from './signer.ts';
import { type TargetContent, targetContent } from './target-content.ts';
import { trustedRootTarget } from './trust-domain.ts';
import { TrustRootError } from './trust-root-error.ts';
import { consistentName } from './tuf-client.ts';

/** A capsule to publish, and what it is checked against. */
export interface UpstreamCapture extends Omit<CapsuleExpectation, 'previous' | 'clock'> {
  readonly capsule: Buffer;
}

/**
 * Checks upstream capsules against the ones the site has, and publishes them under the `upstream` delegation: for each domain
 * its `trusted_root.json`, its signing config where it has one, and the capsule itself as evidence. Other domains stay.
 * @returns `undefined` when all of them are published as they are already.
 * @throws TrustRootError what verifyCapsule refused; see publishDraft.
 */
export async function publishUpstream(
  context: PublishContext,
  state: RepositoryState,
  { captures, signers }: { captures: readonly UpstreamCapture[]; signers: readonly Signer[] },
): Promise<Published | undefined> {
  const set = new Map<string, TargetContent>();
  for (const capture of captures) {
    const previous = await publishedCapsule(context, state, capture);
    if (previous?.bytes.equals(capture.capsule) === true) continue;
    const expectation = { ...capture, clock: context.clock, ...(previous === undefined ? {} : { previous }) };
    const verified = await verifyCapsule(capture.capsule, expectation);
    for (const [name, content] of upstreamTargets(verified)) set.set(name, content);
  }
  if (set.size === 0) return undefined;
  const draft = await draftRole(context, state, { role: 'upstream', change: { set }, signers });
  return publishDraft(context, state, draft);
}

function upstreamTargets(capsule: VerifiedCapsule): Map<string, TargetContent> {
  const { domain, capturedAt, versions, targets, bytes } = capsule;
  const custom = {
    capturedAt: tufTime(capturedAt),
    upstreamRootVersion: versions.root,
    timestampVersion: versions.timestamp,
    snapshotVersion: versions.snapshot,
    targetsVersion: versions.targets,
    evidenceSha256: createHash('sha256').update(bytes).digest('hex'),
  };
  const folder = `upstream/${domain}`;
  return new Map([
    ...[...targets].map(([name, content]) => [`${folder}/${name}`, targetContent(content, custom)] as const),
    [`${folder}/capsule.json`, targetContent(bytes, custom)] as const,
  ]);
}

/** The capsule of a domain that the repository has now, checked again as of its own capture. */
async function publishedCapsule(
  { store, clock }: PublishContext,
  state: RepositoryState,
  { domain, pinnedRoot }: UpstreamCapture,
): Promise<VerifiedCapsule | undefined> {
  const name = trustedRootTarget(domain).replace(/trusted_root\.json$/, 'capsule.json');
  const target = roleIn(state, 'upstream').targets.get(name);
  if (target === undefined) return undefined;
  const bytes = await readTarget(store, consistentName({ name, hashes: target.hashes }));
  const captured = target.custom['capturedAt'];
  const asOf = new Date(typeof captured === 'string' ? captured : Number.NaN);
  if (Number.isNaN(asOf.getTime()))
    throw new TrustRootError('CAPSULE_INVALID', `${name}: the repository does not say when it was captured`);
  return verifyCapsule(bytes, { domain, asOf, pinnedRoot, clock });
}

async function readTarget(store: RepositoryStore, file: string): Promise<Buffer> {
  const bytes = await store.read(`targets/${file}`);
  if (bytes === undefined) throw new TrustRootError('METADATA_MISSING', `targets/${file}: not in the repository`);
  return bytes;
}
