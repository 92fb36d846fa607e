import type { Candidate, ReadCandidate } from './candidate.ts';
import type { PinnedImage } from './evidence.ts';
import { foreignIdentity, nameOf } from './explain.ts';
import type { LeafCertificate } from './leaf-certificate.ts';
import type { Wanted, WantedIdentity } from './policy-authority.ts';
import type { Demands, Refused, SigstoreVerifier, Verified } from './sigstore-verifier.ts';
import { COSIGN_SIGNATURE_TYPE } from './statement.ts';
import type { LoadedDomain } from './trust-domains.ts';
import type { AcceptedSignature, ReasonCode, Signer } from './verdict.ts';

/** What one authority wants of a signature or attestation. */
export interface Request {
  readonly image: PinnedImage;
  readonly predicateType: string;
  readonly demands: Demands;
  /** Who may sign; empty only where `demands` names a key. */
  readonly identities: readonly WantedIdentity[];
  readonly verifier: SigstoreVerifier;
  readonly domain: LoadedDomain | undefined;
}

export type Judgement =
  | { readonly kind: 'accepted'; readonly signature: AcceptedSignature }
  | { readonly kind: 'refused'; readonly code: ReasonCode; readonly message: string }
  /** Something else than what is wanted: neither for nor against. */
  | { readonly kind: 'irrelevant' };

/** Judges one candidate. The cheap checks come first; who signed is asked only of signatures that hold. */
export function judgeCandidate(candidate: Candidate, request: Request): Judgement {
  // A hint may lie; then the candidate is passed over, which can only deny.
  if (candidate.hint !== undefined && candidate.hint !== request.predicateType) return { kind: 'irrelevant' };
  const read = candidate.read();
  if ('fault' in read)
    return { kind: 'refused', code: 'SIGNATURE_MALFORMED', message: `it can't be read: ${read.fault}` };
  if (read.claim.predicateType !== request.predicateType) return { kind: 'irrelevant' };
  if (!read.claim.digests.includes(request.image.digest)) {
    return { kind: 'refused', code: 'DIGEST_MISMATCH', message: foreignDigest(read, request.predicateType) };
  }
  const outcome = verifiedOnce(read, request);
  if (outcome.kind === 'refused') return outcome;
  return judgeSigner(outcome, candidate, request);
}

/** Authorities and policies that ask for the same of the same domain share one verification. */
function verifiedOnce({ bundle, content, outcomes }: ReadCandidate, request: Request): Verified | Refused {
  const { demands, domain, verifier } = request;
  const { key, ...others } = demands;
  const asked = JSON.stringify([domain?.name, key?.fingerprint, key?.hashAlgorithm, others]);
  const known = outcomes.get(asked) ?? verifier.verify(bundle, content, demands);
  outcomes.set(asked, known);
  return known;
}

function judgeSigner({ leaf, transparency, signedAt }: Verified, candidate: Candidate, request: Request): Judgement {
  const signer = signerOf(leaf, request);
  if (signer === undefined) {
    const message = leaf === undefined ? 'nobody known signed it' : foreignIdentity(leaf, request.identities);
    return { kind: 'refused', code: 'IDENTITY_MISMATCH', message };
  }
  const isAttestation = request.predicateType !== COSIGN_SIGNATURE_TYPE;
  return {
    kind: 'accepted',
    signature: {
      signer,
      domain: request.domain?.name,
      transparency,
      signedAt,
      manifest: candidate.manifest,
      ...(isAttestation ? { predicateType: request.predicateType } : {}),
    },
  };
}

function foreignDigest({ claim }: ReadCandidate, predicateType: string): string {
  const named = claim.digests.slice(0, 2).map((digest) => digest.slice(0, 100));
  return `the ${nameOf(predicateType)} is for another image: ${named.join(', ') || 'it names no sha256 digest'}`;
}

function signerOf(leaf: LeafCertificate | undefined, { demands, identities }: Request): Signer | undefined {
  if (demands.key !== undefined) return { kind: 'key', fingerprint: demands.key.fingerprint };
  if (leaf === undefined) return undefined;
  const { issuer, subjects } = leaf;
  const subject = subjects.find((one) =>
    identities.some((identity) => isWanted(issuer, identity.issuer) && isWanted(one, identity.subject)),
  );
  return subject === undefined ? undefined : { kind: 'certificate', issuer, subject };
}

function isWanted(text: string, wanted: Wanted): boolean {
  return wanted.kind === 'exact' ? text === wanted.text : wanted.pattern.occursIn(text);
}
