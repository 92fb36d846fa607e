import { z } from 'zod';
import { EMPTY_EVIDENCE_INDEX, type EvidenceIndex, parseEvidenceIndex } from '../../mirror/evidence-index.ts';
import type { VerifiedGeneration } from '../../trust-root/generation.ts';
import { loadTrustDomain, type TrustDomain, trustDomainNames } from '../../trust-root/trust-domain.ts';
import { parseJson } from '../kernel/json.ts';
import { type ImagePolicy, parsePolicy } from '../verification/policy.ts';
import { parseStalenessRules, STALENESS_TARGET, type StalenessRules } from '../verification/staleness-rules.ts';
import { trustDomains } from '../verification/trust-domains.ts';
import { assertAgesKnown } from './domain-ages.ts';

/** The targets that the webhook reads besides the domains' trusted roots. */
export const FLOOR_POLICIES_TARGET = 'policies.json';
export const EVIDENCE_INDEX_TARGET = 'site-state/evidence-index.json';

/** What a generation says, read and checked. */
export interface GenerationContents {
  readonly domains: readonly TrustDomain[];
  /** How old upstream domains may be. */
  readonly staleness: StalenessRules;
  readonly floorPolicies: readonly ImagePolicy[];
  readonly index: EvidenceIndex;
}

const MAX_FLOOR_POLICIES_BYTES = 8 * 1024 * 1024;
const floorPoliciesSchema = z.strictObject({ schemaVersion: z.literal(1), policies: z.array(z.unknown()).max(4096) });

/**
 * Reads a generation's trust domains and how old they may be, floor policies and evidence index. A target that the chain does not name is empty;
 * one that it names and that can't be read or followed refuses the whole generation.
 * @throws TrustRootError, VerificationError, MirrorError, KernelError.
 */
export async function readGeneration(generation: VerifiedGeneration): Promise<GenerationContents> {
  const targets = new Set(generation.targetNames());
  const names = trustDomainNames(generation);
  const domains = await Promise.all(names.map(async (name) => await loadTrustDomain(generation, name)));
  const staleness = targets.has(STALENESS_TARGET) ? parseStalenessRules(await generation.target(STALENESS_TARGET)) : {};
  assertAgesKnown(domains, staleness);
  // One that can't be loaded would let no world be made later: it refuses the generation now.
  trustDomains(domains);
  return {
    domains,
    staleness,
    floorPolicies: targets.has(FLOOR_POLICIES_TARGET)
      ? readFloorPolicies(await generation.target(FLOOR_POLICIES_TARGET))
      : [],
    index: targets.has(EVIDENCE_INDEX_TARGET)
      ? parseEvidenceIndex(await generation.target(EVIDENCE_INDEX_TARGET))
      : EMPTY_EVIDENCE_INDEX,
  };
}

function readFloorPolicies(bytes: Buffer): ImagePolicy[] {
  const json = parseJson(bytes, FLOOR_POLICIES_TARGET, { maxBytes: MAX_FLOOR_POLICIES_BYTES });
  return floorPoliciesSchema.parse(json).policies.map(parsePolicy);
}
