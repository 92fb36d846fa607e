import type { Clock } from '../kernel/clock.ts';
import type { Breather } from './breather.ts';
import type { Candidate } from './candidate.ts';
import { type ChosenDomain, chooseDomain, type NoDomain } from './choose-domain.ts';
import type { PinnedImage } from './evidence.ts';
import { nameOf } from './explain.ts';
import { judgeCandidate, type Request } from './judge-candidate.ts';
import type { ImagePolicy } from './policy.ts';
import type { Authority, KeyAuthority, KeylessAuthority, KeySource, WantedAttestation } from './policy-authority.ts';
import { type ManagedKey, parseManagedKey } from './public-key.ts';
import type { SecretKeys } from './secret-keys.ts';
import { type Demands, keyVerifier } from './sigstore-verifier.ts';
import { COSIGN_SIGNATURE_TYPE } from './statement.ts';
import type { TrustDomains } from './trust-domains.ts';
import {
  type AcceptedSignature,
  type AuthorityResult,
  mostTellingFirst,
  type Reason,
  type ReasonCode,
} from './verdict.ts';

/** What an authority is judged with. */
export interface AuthorityContext {
  readonly image: PinnedImage;
  readonly policy: ImagePolicy;
  readonly candidates: readonly Candidate[];
  readonly domains: TrustDomains;
  readonly clock: Clock;
  readonly secretKeys: SecretKeys;
  /** Called between two signatures. */
  readonly breathe: Breather;
}

/** An authority's answer, and what time has to do with it. */
export interface AuthorityJudgement {
  readonly result: AuthorityResult;
  readonly warnings: readonly Reason[];
  readonly staleFrom: Date | undefined;
}

type SigningAuthority = KeyAuthority | KeylessAuthority;
type Fault = NoDomain;

/** Judges one authority of a policy: does something attached to the image satisfy it? */
export async function judgeAuthority(authority: Authority, context: AuthorityContext): Promise<AuthorityJudgement> {
  if (authority.kind === 'static') {
    const reason = { code: 'STATIC_FAIL' as const, message: authority.message ?? 'the policy refuses these images' };
    return judgement(authority, context.policy, { faults: authority.action === 'pass' ? [] : [reason] });
  }
  const trust = trustOf(authority, context);
  if ('code' in trust) return judgement(authority, context.policy, { faults: [trust] });
  return judgement(authority, context.policy, await judgeSigned(authority, context, trust));
}

/** What an authority's signatures are judged by, or why there is nothing to judge them by. */
function trustOf(authority: SigningAuthority, { domains, clock, secretKeys }: AuthorityContext): Trust | Fault {
  if (authority.kind === 'keyless' && authority.hasOwnCa) {
    const message = 'ca-cert is not supported: name a trust domain with trustRootRef instead';
    return { code: 'KEY_UNSUPPORTED', message };
  }
  const key = authority.kind === 'key' ? keyOf(authority.source, secretKeys) : undefined;
  if (key !== undefined && 'code' in key) return key;
  if (!needsDomain(authority)) return { key, chosen: undefined };
  const chosen = chooseDomain(authority, domains, clock);
  return 'code' in chosen ? chosen : { key, chosen };
}

interface Trust {
  readonly key: ManagedKey | undefined;
  readonly chosen: ChosenDomain | undefined;
}

async function judgeSigned(authority: SigningAuthority, context: AuthorityContext, trust: Trust): Promise<Findings> {
  const { key, chosen } = trust;
  const request = {
    image: context.image,
    demands: demandsOf(authority, context.policy, key),
    identities: authority.kind === 'keyless' ? authority.identities : [],
    verifier: chosen?.domain.verifier ?? keyVerifier(),
    domain: chosen?.domain,
    breathe: context.breathe,
  };
  const candidates = context.candidates.filter(
    ({ format }) => authority.format === 'any' || authority.format === format,
  );
  const found: Found[] = [];
  if (authority.attestations.length === 0) {
    found.push(await findAccepted(candidates, { ...request, predicateType: COSIGN_SIGNATURE_TYPE }));
  }
  for (const wanted of authority.attestations) found.push(await findAttestation(wanted, candidates, request));
  const faults = found.flatMap(({ reasons, accepted }) => (accepted.length === 0 ? reasons : []));
  const accepted = found.flatMap((one) => one.accepted);
  return { faults, accepted, chosen };
}

interface Search extends Request {
  readonly breathe: Breather;
}

interface Found {
  readonly accepted: readonly AcceptedSignature[];
  /** Why candidates were refused; never empty when none was accepted. */
  readonly reasons: readonly Fault[];
}

async function findAttestation(
  { name, predicateType, body }: WantedAttestation,
  candidates: readonly Candidate[],
  request: Omit<Search, 'predicateType'>,
): Promise<Found> {
  const found = await findAccepted(candidates, { ...request, predicateType });
  if (found.accepted.length === 0 || body === undefined) return found;
  // Fail closed: a statement whose content nobody has looked at must not pass a policy about its content.
  return { accepted: [], reasons: [unsupportedLanguage(`the attestation ${name}`, body.type)] };
}

/** The refusal for a policy body that nothing here evaluates. */
export function unsupportedLanguage(what: string, language: string | undefined): Fault {
  return {
    code: 'POLICY_LANGUAGE_UNSUPPORTED',
    message: `${what} must satisfy a policy in ${language ?? 'a language'}, which is not evaluated yet: it counts as not satisfied`,
  };
}

/** Every candidate is tried until one is accepted: an attacker's attachments can't hide a good one. */
async function findAccepted(candidates: readonly Candidate[], request: Search): Promise<Found> {
  const reasons: Fault[] = [];
  for (const candidate of candidates) {
    await request.breathe();
    const judgement = judgeCandidate(candidate, request);
    if (judgement.kind === 'accepted') return { accepted: [judgement.signature], reasons: [] };
    if (judgement.kind === 'refused') reasons.push(judgement);
  }
  return { accepted: [], reasons: reasons.length === 0 ? [nothingFound(request)] : reasons };
}

function nothingFound({ image, predicateType }: Request): Fault {
  const isSignature = predicateType === COSIGN_SIGNATURE_TYPE;
  const code: ReasonCode = isSignature ? 'NO_SIGNATURE' : 'ATTESTATION_MISSING';
  return { code, message: `no ${nameOf(predicateType)} was found for ${image.name}@${image.digest}` };
}

function keyOf(source: KeySource, secretKeys: SecretKeys): ManagedKey | Fault {
  if (source.kind === 'inline') return source.key;
  if (source.kind === 'kms') {
    return {
      code: 'KEY_UNSUPPORTED',
      message: `the key ${source.uri} is in a key service, which a disconnected site can't ask`,
    };
  }
  const { name, namespace, hash } = source;
  const found = secretKeys({ name, namespace });
  if (found.kind === 'none') return { code: 'KEY_UNAVAILABLE', message: found.why };
  const message = `the Secret ${name} holds no public key that can be used`;
  return parseManagedKey(found.pem, hash) ?? { code: 'KEY_UNAVAILABLE', message };
}

function needsDomain(authority: SigningAuthority): boolean {
  return authority.kind === 'keyless' || authority.log !== undefined || authority.timestamp !== undefined;
}

function demandsOf(authority: SigningAuthority, policy: ImagePolicy, key: ManagedKey | undefined): Demands {
  // Upstream's rules on which of log and timestamp count: a bare key needs neither; a timestamp stands in for the log
  // where no log is named. Where both are named both are demanded, which upstream does not.
  const usesLog = authority.log !== undefined || (authority.kind === 'keyless' && authority.timestamp === undefined);
  return {
    ...(key === undefined ? {} : { key }),
    transparency:
      usesLog || policy.minimumTransparency !== undefined ? (policy.minimumTransparency ?? 'included') : 'none',
    sct: authority.kind === 'keyless' && !authority.ignoresSct,
    timestampAuthority: authority.timestamp !== undefined,
  };
}

interface Findings {
  readonly faults: readonly Fault[];
  readonly accepted?: readonly AcceptedSignature[];
  readonly chosen?: ChosenDomain | undefined;
}

function judgement(authority: Authority, policy: ImagePolicy, findings: Findings): AuthorityJudgement {
  const { faults, accepted = [], chosen } = findings;
  const place = { policy: policy.name, authority: authority.name };
  const reasons = mostTellingFirst(faults.map(({ code, message }) => ({ code, message, ...place })));
  const warning = chosen?.warning;
  return {
    result: { authority: authority.name, passed: reasons.length === 0, accepted, reasons },
    warnings: warning === undefined ? [] : [{ code: 'TRUST_STALE', message: warning, ...place }],
    staleFrom: chosen?.staleFrom,
  };
}
