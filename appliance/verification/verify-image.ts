import type { Digest } from '../kernel/digest.ts';
import { digestOf } from '../kernel/digest.ts';
import { canonicalJson } from '../kernel/json.ts';
import { type Breather, breather } from './breather.ts';
import { type Candidate, candidatesOf } from './candidate.ts';
import type { EvidenceDocument, PinnedImage } from './evidence.ts';
import {
  type AuthorityContext,
  type AuthorityJudgement,
  judgeAuthority,
  unsupportedLanguage,
} from './judge-authority.ts';
import { matchingPolicies } from './match-policy.ts';
import type { ImagePolicy } from './policy.ts';
import { NO_SECRET_KEYS, secretKeysIdentity } from './secret-keys.ts';
import { mostTellingFirst, type PolicyResult, type Reason, type Verdict, type VerdictBasis } from './verdict.ts';
import { VerificationError } from './verification-error.ts';
import type { VerificationInputs } from './verification-inputs.ts';

/**
 * Decides on one image: every policy that matches must pass (a policy in warn mode only warns), in a policy one
 * authority must, in an authority every attestation that it names.
 * @returns a verdict that holds for equal inputs, until `validUntil` where it has one.
 * @throws VerificationError `EVIDENCE_UNAVAILABLE`, `EVIDENCE_TOO_LARGE`: it could not be decided. Policies that only
 *   warn never lead to that.
 */
export async function verifyImage(image: PinnedImage, inputs: VerificationInputs): Promise<Verdict> {
  const reference = `${image.name}@${image.digest}`;
  const matching = matchingPolicies(inputs.policies.policies, reference, inputs.workload);
  if (matching.length === 0) return withoutPolicy(reference, inputs);
  const evidence = await gather(image, matching, inputs);
  const breathe = breather();
  const judged: JudgedPolicy[] = [];
  for (const policy of matching) judged.push(await judgePolicy(policy, { image, inputs, evidence, breathe }));
  const failed = judged.map(({ result }) => result).filter(({ passed }) => !passed);
  const details = {
    image: reference,
    policies: judged.map(({ result }) => result),
    warnings: [
      ...failed.filter(({ mode }) => mode === 'warn').flatMap(({ reasons }) => reasons.slice(0, 1)),
      ...judged.flatMap(({ warnings }) => warnings),
    ],
    basis: basisOf(matching, inputs, evidence.documents),
    ...validity(judged, evidence, inputs),
  };
  const reasons = failed.filter(({ mode }) => mode === 'enforce').flatMap((result) => result.reasons.slice(0, 1));
  return reasons.length === 0
    ? { kind: 'admitted', ...details }
    : { kind: 'denied', reasons: mostTellingFirst(reasons), ...details };
}

interface Evidence {
  readonly documents: readonly EvidenceDocument[];
  readonly candidates: readonly Candidate[];
  /** Why there is none to judge by, where that only leads to a warning. */
  readonly unavailable: VerificationError | undefined;
}

async function gather(
  image: PinnedImage,
  policies: readonly ImagePolicy[],
  { evidence }: VerificationInputs,
): Promise<Evidence> {
  const needed = policies.filter(({ authorities }) => authorities.some(({ kind }) => kind !== 'static'));
  if (needed.length === 0) return { documents: [], candidates: [], unavailable: undefined };
  try {
    const documents = await evidence.evidenceFor(image);
    return { documents, candidates: candidatesOf(documents), unavailable: undefined };
  } catch (error) {
    const onlyWarns = needed.every(({ mode }) => mode === 'warn');
    if (!onlyWarns || !(error instanceof VerificationError)) throw error;
    return { documents: [], candidates: [], unavailable: error };
  }
}

interface JudgedPolicy {
  readonly result: PolicyResult;
  readonly warnings: readonly Reason[];
  readonly staleFrom: readonly Date[];
}

interface Judging {
  readonly image: PinnedImage;
  readonly inputs: VerificationInputs;
  readonly evidence: Evidence;
  readonly breathe: Breather;
}

async function judgePolicy(policy: ImagePolicy, { image, inputs, evidence, breathe }: Judging): Promise<JudgedPolicy> {
  const context: AuthorityContext = {
    image,
    policy,
    candidates: evidence.candidates,
    domains: inputs.policies.floor.has(policy) ? (inputs.floorDomains ?? inputs.domains) : inputs.domains,
    clock: inputs.clock,
    secretKeys: inputs.secretKeys ?? NO_SECRET_KEYS,
    breathe,
  };
  const judgements: AuthorityJudgement[] = [];
  for (const authority of policy.authorities) judgements.push(await judgeAuthority(authority, context));
  const authorities = judgements.map(({ result }) => result);
  const isSatisfied = authorities.some(({ passed }) => passed);
  const reasons = isSatisfied ? bodyReasons(policy) : authorities.flatMap((one) => one.reasons);
  if (evidence.unavailable !== undefined && !isSatisfied) reasons.push(unavailableReason(policy, evidence.unavailable));
  const ordered = evidence.unavailable === undefined ? mostTellingFirst(reasons) : reasons.reverse();
  return {
    result: { policy: policy.name, mode: policy.mode, passed: reasons.length === 0, authorities, reasons: ordered },
    warnings: judgements.flatMap(({ warnings }) => warnings),
    staleFrom: judgements.flatMap(({ staleFrom }) => (staleFrom === undefined ? [] : [staleFrom])),
  };
}

function bodyReasons({ name, body }: ImagePolicy): Reason[] {
  return body === undefined ? [] : [{ ...unsupportedLanguage('what was found', body.type), policy: name }];
}

function unavailableReason({ name }: ImagePolicy, error: VerificationError): Reason {
  return { code: 'EVIDENCE_UNAVAILABLE', message: error.message, policy: name };
}

function withoutPolicy(reference: string, inputs: VerificationInputs): Verdict {
  const reason: Reason = {
    code: 'NO_MATCHING_POLICY',
    message: `no policy matches ${reference}, and what no policy matches is not admitted`,
  };
  const { noMatch } = inputs.policies;
  const details = { image: reference, policies: [], basis: basisOf([], inputs, []) };
  if (noMatch === 'deny') return { kind: 'denied', reasons: [reason], warnings: [], ...details };
  const warning = { ...reason, message: `no policy matches ${reference}` };
  return { kind: 'admitted', warnings: noMatch === 'warn' ? [warning] : [], ...details };
}

function basisOf(
  policies: readonly ImagePolicy[],
  inputs: VerificationInputs,
  documents: readonly EvidenceDocument[],
): VerdictBasis {
  const keys = secretKeysIdentity(policies, inputs.secretKeys);
  return {
    policies: combined([inputs.policies.noMatch, ...policies.map(({ identity }) => identity), keys]),
    trust: inputs.domains.identity,
    evidence: combined(documents.map(({ manifest }) => manifest).sort()),
  };
}

function combined(parts: readonly string[]): Digest {
  return digestOf(canonicalJson(parts));
}

function validity(
  judged: readonly JudgedPolicy[],
  { unavailable }: Evidence,
  { clock }: VerificationInputs,
): { validUntil?: Date } {
  if (unavailable !== undefined) return { validUntil: clock.now() };
  const earliest = judged.flatMap(({ staleFrom }) => staleFrom).sort((a, b) => a.getTime() - b.getTime())[0];
  return earliest === undefined ? {} : { validUntil: earliest };
}
