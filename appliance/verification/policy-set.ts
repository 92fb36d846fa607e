import { type Digest, digestOf } from '../kernel/digest.ts';
import { canonicalJson } from '../kernel/json.ts';
import type { ImagePolicy } from './policy.ts';

/** The policies of a site at one moment. Those of the floor come first, and nothing can take them away. */
export interface PolicySet {
  readonly policies: readonly ImagePolicy[];
  /** Those among them that the TUF chain vouches for. */
  readonly floor: ReadonlySet<ImagePolicy>;
  /** What happens to an image that no policy matches. */
  readonly noMatch: NoMatch;
  readonly identity: Digest;
}

export type NoMatch = 'deny' | 'warn' | 'allow';

/** Puts policies together, the floor's before the cluster's. A cluster policy of the same name stands beside, not instead. */
export function policySet(
  policies: readonly ImagePolicy[],
  options: { floor?: readonly ImagePolicy[]; noMatch?: NoMatch } = {},
): PolicySet {
  const floor = new Set(options.floor);
  const all = [...floor, ...policies];
  const noMatch = options.noMatch ?? 'deny';
  const identity = digestOf(canonicalJson([noMatch, ...all.map((one) => one.identity)]));
  return { policies: all, floor, noMatch, identity };
}
