import type { TargetsChange } from '../../trust-root/publish.ts';
import type { RepositoryState } from '../../trust-root/repository-state.ts';
import { siteTargets } from '../../trust-root/site-targets.ts';
import { type TargetContent, targetContent } from '../../trust-root/target-content.ts';
import { parseStalenessRules, STALENESS_TARGET, serializeStalenessRules } from '../verification/staleness-rules.ts';
import { floorPolicies } from './floor-policies.ts';
import { siteTrust } from './site-trust.ts';
import type { InstallWorld } from './step.ts';

/** The top-level targets that the site's repository is to have: its trust, and the floor of the configuration. */
export async function wantedTargets(world: InstallWorld): Promise<Map<string, TargetContent>> {
  const targets = siteTargets(await siteTrust(world, await floorPolicies(world)));
  return new Map([...targets, ...stalenessTarget(world.config)]);
}

/** The rules on the age of upstream trust, as a target; none where the configuration has none. */
export function stalenessTarget({ trust }: Pick<InstallWorld['config'], 'trust'>): [string, TargetContent][] {
  if (Object.keys(trust.staleness).length === 0) return [];
  const text = serializeStalenessRules(trust.staleness);
  // What no webhook would take must not be published: it would refuse the whole generation.
  parseStalenessRules(Buffer.from(text));
  return [[STALENESS_TARGET, targetContent(text)]];
}

/**
 * What makes the published targets those that are wanted; `undefined` when they are. Anchors are the controller's: only
 * their absence counts. Of targets that nobody wants any more only the rules on ages are taken away.
 */
export function targetsChange(
  state: RepositoryState,
  wanted: ReadonlyMap<string, TargetContent>,
): TargetsChange | undefined {
  const published = state.roles.get('targets')?.targets;
  const differs = ([name, { file }]: [string, TargetContent]): boolean => {
    const present = published?.get(name);
    if (name === 'anchors.json' && present !== undefined) return false;
    return present?.hashes['sha256'] !== file.hashes['sha256'];
  };
  const set = new Map([...wanted].filter(differs));
  const isLeftOver = published?.has(STALENESS_TARGET) === true && !wanted.has(STALENESS_TARGET);
  const remove = new Set(isLeftOver ? [STALENESS_TARGET] : []);
  return set.size + remove.size === 0 ? undefined : { set, remove };
}
