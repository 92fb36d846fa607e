import type { EvidenceIndex } from '../../mirror/evidence-index.ts';
import type { VerifiedGeneration } from '../../trust-root/generation.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Digest } from '../kernel/digest.ts';
import { formatImageReference, type ImageReference, repositoryName } from '../kernel/image-reference.ts';
import type { EvidenceReader, PinnedImage } from '../verification/evidence.ts';
import { matchingPolicies } from '../verification/match-policy.ts';
import type { PolicySet } from '../verification/policy-set.ts';
import { type SecretKeys, secretKeysIdentity } from '../verification/secret-keys.ts';
import type { Verdict } from '../verification/verdict.ts';
import type { VerificationInputs } from '../verification/verification-inputs.ts';
import type { AdmissionWorld, ImageQuestion } from './admission-world.ts';
import type { NamespaceModes } from './namespace-modes.ts';
import type { VerdictCache } from './verdict-cache.ts';
import { WebhookError } from './webhook-error.ts';

/** How an image is verified; the real one is `verifyImage` of the verification engine. */
export type VerifyImage = (image: PinnedImage, inputs: VerificationInputs) => Promise<Verdict>;

/** The site's registry as the world needs it; nothing where a site has none. */
export interface RegistrySide {
  digestOf(reference: ImageReference): Promise<Digest>;
  readonly evidence: EvidenceReader;
}

/** What a world is made of. */
export interface WorldParts {
  readonly generation: VerifiedGeneration;
  readonly index: EvidenceIndex;
  /** Evidence of the images that the index lists. */
  readonly syncedEvidence: EvidenceReader;
  readonly domains: VerificationInputs['domains'];
  /** Those of the TUF chain alone. */
  readonly floorDomains: VerificationInputs['domains'];
  readonly policies: PolicySet;
  readonly secretKeys: SecretKeys;
  readonly modes: NamespaceModes;
  readonly registry: RegistrySide | undefined;
  readonly cache: VerdictCache<Verdict>;
  readonly verify: VerifyImage;
  readonly clock: Clock;
}

/** How long a verdict that the registry was asked for may be used again: a signature may have been added since. */
const REGISTRY_EVIDENCE_MS = 10_000;

/**
 * The world of one generation and one set of policies. Trust whose metadata has expired decides nothing.
 */
export function judgingWorld(parts: WorldParts): AdmissionWorld {
  const { generation, modes, index, registry } = parts;
  return {
    generation: generation.number,
    modeOf: (namespace) => modes.modeOf(namespace),
    digestOf: async (reference) => {
      if (reference.digest !== undefined) return reference.digest;
      const tagged = formatImageReference(reference);
      const synced = Object.hasOwn(index.tags, tagged) ? index.tags[tagged] : undefined;
      if (synced !== undefined) return synced;
      if (registry !== undefined) return await registry.digestOf(reference);
      throw new WebhookError('DIGEST_UNRESOLVED', `${tagged} is not in the synced index`, {
        fix: 'bring it in with a bundle',
      });
    },
    judge: async (question) => {
      assertCurrent(parts);
      return await parts.cache.get(cacheKey(question, parts), async () => await judgeAnew(question, parts));
    },
  };
}

/** Roles without which a generation is nothing. Of a delegated role that expires only its own targets are lost. */
const CORE_ROLES = new Set(['root', 'timestamp', 'snapshot', 'targets']);

function assertCurrent({ generation, clock }: WorldParts): void {
  const now = clock.now().getTime();
  const expired = generation.expiries.find(({ role, expires }) => CORE_ROLES.has(role) && !(expires.getTime() > now));
  if (expired === undefined) return;
  const what = `${expired.role} expired at ${expired.expires.toISOString()}`;
  throw new WebhookError('TRUST_EXPIRED', `the trust of generation ${generation.number} is over: ${what}`, {
    fix: 'see sealift status: the CronJob tuf-refresh signs new metadata, and the node agent fetches it',
  });
}

/**
 * Everything that a verdict depends on: the image by name and digest, the policies that match it (and so the request
 * fields they read) with the keys that they take from Secrets, and through the generation and the domains all trust and
 * evidence. Never a tag.
 */
function cacheKey(
  { reference, digest, workload }: ImageQuestion,
  { policies, secretKeys, domains, generation }: WorldParts,
): string {
  const image = `${repositoryName(reference)}@${digest}`;
  const matched = matchingPolicies(policies.policies, image, workload);
  const identities = [...matched.map(({ identity }) => identity), secretKeysIdentity(matched, secretKeys)];
  return [image, policies.noMatch, ...identities, domains.identity, generation.number].join('\n');
}

async function judgeAnew({ reference, digest, workload }: ImageQuestion, parts: WorldParts) {
  const { policies, secretKeys, domains, floorDomains, clock, verify, index, syncedEvidence, registry } = parts;
  const asked = clock.now().getTime();
  const image = { name: repositoryName(reference), digest };
  const judgeBy = async (evidence: EvidenceReader): Promise<Verdict> =>
    await verify(image, { policies, secretKeys, domains, floorDomains, clock, workload, evidence });
  const isSynced = registry === undefined || Object.hasOwn(index.images, digest);
  const first = await judgeBy(isSynced ? syncedEvidence : registry.evidence);
  const asksRegistry = registry !== undefined && (!isSynced || first.kind === 'denied');
  // What was signed on the site since the last sync is in the registry alone. Evidence proves itself, wherever it lies.
  const value = isSynced && asksRegistry ? await judgeBy(registry.evidence).catch(() => first) : first;
  const until = [value.validUntil?.getTime(), asksRegistry ? asked + REGISTRY_EVIDENCE_MS : undefined];
  const validUntil = until.filter((time) => time !== undefined);
  return {
    value,
    bytes: sizeOf(value),
    ...(validUntil.length === 0 ? {} : { validUntil: new Date(Math.min(...validUntil)) }),
  };
}

/** Strings of the verdict in UTF-16, and as much again for objects. */
function sizeOf(verdict: Verdict): number {
  return JSON.stringify(verdict).length * 4;
}
