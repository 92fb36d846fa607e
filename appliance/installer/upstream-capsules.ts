import type { PublishContext } from '../../trust-root/publish.ts';
import { loadRepository, type RepositoryState } from '../../trust-root/repository-state.ts';
import { sha256Hex } from '../../trust-root/tuf-client.ts';
import { publishUpstream } from '../../trust-root/upstream.ts';
import { DONE, type InstallWorld, type Look, missing, type Tell } from './step.ts';
import { offlineSigners } from './tuf-keys.ts';

/** Whether the repository has the capsules of the bundle, byte by byte. */
export async function lookAtCapsules({ bundle }: InstallWorld, state: RepositoryState): Promise<Look> {
  const published = state.roles.get('upstream')?.targets;
  for (const { domain, bytes } of await bundle.capsules()) {
    const present = published?.get(`upstream/${domain}/capsule.json`)?.hashes['sha256'];
    if (present !== sha256Hex(bytes)) return missing(`trust of ${domain}`);
  }
  return DONE;
}

/** Checks the capsules of the bundle and publishes those that the repository does not have. */
export async function publishCapsules(world: InstallWorld, context: PublishContext, tell: Tell): Promise<void> {
  const capsules = await world.bundle.capsules();
  const state = await loadRepository(context.store);
  if ((await lookAtCapsules(world, state)).done) return;
  const threshold =
    state.roles.get('targets')?.delegations?.roles.find(({ name }) => name === 'upstream')?.threshold ?? 1;
  const captures = capsules.map(({ domain, bytes, capturedAt, root }) => ({
    domain,
    capsule: bytes,
    asOf: capturedAt,
    pinnedRoot: root,
  }));
  const signers = await offlineSigners(world, 'upstream', threshold);
  const published = await publishUpstream(context, state, { captures, signers });
  if (published !== undefined) tell(`trust of ${capsules.map(({ domain }) => domain).join(', ')} published`);
}
