import { draftRole, type PublishContext, type Published, publishDraft } from './publish.ts';
import { type RepositoryState, roleIn } from './repository-state.ts';
import type { Signer } from './signer.ts';
import { type TargetContent, targetContent } from './target-content.ts';
import { TrustRootError } from './trust-root-error.ts';

const PREFIX = 'site-state/';

/**
 * Publishes the site's state with online keys only: `site-state` metadata, snapshot, timestamp.
 * @param files all of the state by target name (`site-state/evidence-index.json`); what is not among them goes.
 * @returns `undefined` when the state is published as it is already; nothing is signed then.
 * @throws TrustRootError `NAME_INVALID` for a name outside `site-state/`; see publishDraft.
 */
export async function publishSiteState(
  context: PublishContext,
  state: RepositoryState,
  { files, signer }: { files: ReadonlyMap<string, Buffer>; signer: Signer },
): Promise<Published | undefined> {
  const current = roleIn(state, 'site-state').targets;
  const set = new Map<string, TargetContent>();
  for (const [name, bytes] of files) {
    if (!name.startsWith(PREFIX) || name.slice(PREFIX.length).includes('/')) {
      throw new TrustRootError('NAME_INVALID', `${name}: site state lies directly under ${PREFIX}`);
    }
    const content = targetContent(bytes);
    if (current.get(name)?.hashes['sha256'] !== content.file.hashes['sha256']) set.set(name, content);
  }
  const remove = new Set([...current.keys()].filter((name) => !files.has(name)));
  if (set.size === 0 && remove.size === 0) return undefined;
  const change = { role: 'site-state' as const, change: { set, remove }, signers: [signer] };
  return publishDraft(context, state, await draftRole(context, state, change));
}
