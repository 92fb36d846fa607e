import type { Digest } from '../kernel/digest.ts';

/**
 * How strongly a signature is tied to a transparency log. Each level holds what the one before it holds:
 * `promised` (the log signed a promise to include it), `included` (proved against a checkpoint of the log),
 * `anchored` (proved against the checkpoint that this site holds), `witnessed` (that checkpoint is cosigned by a quorum).
 * `none`: no log entry was looked at.
 */
export const TRANSPARENCY_LEVELS = ['none', 'promised', 'included', 'anchored', 'witnessed'] as const;
export type TransparencyLevel = (typeof TRANSPARENCY_LEVELS)[number];

/** True when `level` is at least `wanted`. */
export function isAtLeast(level: TransparencyLevel, wanted: TransparencyLevel): boolean {
  return TRANSPARENCY_LEVELS.indexOf(level) >= TRANSPARENCY_LEVELS.indexOf(wanted);
}

/**
 * Reasons from the least to the most telling: when several signatures of an image were refused, the one that came
 * furthest is the one that a developer wants to hear about.
 */
export const REASON_CODES = [
  'NO_MATCHING_POLICY',
  'EVIDENCE_UNAVAILABLE',
  'NO_SIGNATURE',
  'ATTESTATION_MISSING',
  'KEY_UNSUPPORTED',
  'KEY_UNAVAILABLE',
  'TRUST_DOMAIN_UNKNOWN',
  'TRUST_DOMAIN_MIXED',
  'TRUST_STALE',
  'SIGNATURE_MALFORMED',
  'DIGEST_MISMATCH',
  'UNTRUSTED_KEY',
  'SIGNATURE_INVALID',
  'UNTRUSTED_LOG',
  'UNTRUSTED_CERTIFICATE',
  'CERTIFICATE_INVALID',
  'TIMESTAMP_MISSING',
  'TIMESTAMP_INVALID',
  'LOG_ENTRY_MISSING',
  'LOG_ENTRY_MISMATCH',
  'LOG_PROOF_INVALID',
  'LOG_CONTRADICTION',
  'TRANSPARENCY_TOO_LOW',
  'IDENTITY_MISMATCH',
  'POLICY_LANGUAGE_UNSUPPORTED',
  'STATIC_FAIL',
] as const;
export type ReasonCode = (typeof REASON_CODES)[number];

/** One reason why something was refused, for programs (`code`) and for people (`message`). */
export interface Reason {
  readonly code: ReasonCode;
  readonly message: string;
  readonly policy?: string;
  readonly authority?: string;
}

/** Who made a signature that verified. */
export type Signer =
  | { readonly kind: 'certificate'; readonly issuer: string; readonly subject: string }
  | { readonly kind: 'key' /** `sha256:<hex>` of the SubjectPublicKeyInfo. */; readonly fingerprint: string };

/** A signature or attestation that satisfied an authority. */
export interface AcceptedSignature {
  readonly signer: Signer;
  readonly domain: string | undefined;
  readonly transparency: TransparencyLevel;
  /** Times that a log or a timestamp authority of the trust domain vouches for. */
  readonly signedAt: readonly Date[];
  /** The manifest that carried it. */
  readonly manifest: Digest;
  /** The predicate type of an attestation. */
  readonly predicateType?: string;
}

/** What one authority of a policy said. Authorities of a policy are alternatives. */
export interface AuthorityResult {
  readonly authority: string;
  readonly passed: boolean;
  readonly accepted: readonly AcceptedSignature[];
  readonly reasons: readonly Reason[];
}

/** What one matching policy said. All matching policies must pass. */
export interface PolicyResult {
  readonly policy: string;
  readonly mode: 'enforce' | 'warn';
  readonly passed: boolean;
  readonly authorities: readonly AuthorityResult[];
  /** The most telling reason first. */
  readonly reasons: readonly Reason[];
}

/** Digests of everything that a verdict rests on besides the image: equal basis and image, equal verdict. */
export interface VerdictBasis {
  readonly policies: Digest;
  readonly trust: Digest;
  readonly evidence: Digest;
}

interface VerdictDetails {
  /** `host/repository@sha256:…`. */
  readonly image: string;
  readonly policies: readonly PolicyResult[];
  /** What policies in warn mode would have refused, and trust that is getting old. */
  readonly warnings: readonly Reason[];
  readonly basis: VerdictBasis;
  /** When time alone can change this verdict: it must be reached anew from then on. */
  readonly validUntil?: Date;
}

export interface Admitted extends VerdictDetails {
  readonly kind: 'admitted';
}

export interface Denied extends VerdictDetails {
  readonly kind: 'denied';
  /** Never empty; the most telling reason of each refusing policy. */
  readonly reasons: readonly Reason[];
}

/** A decision on one image. "Could not decide" is a VerificationError, never a verdict. */
export type Verdict = Admitted | Denied;

/** The most telling of `reasons`, then the others; equal reasons once. */
export function mostTellingFirst(reasons: readonly Reason[]): Reason[] {
  const seen = new Map(reasons.map((reason) => [`${reason.code}\n${reason.message}`, reason]));
  const rank = (reason: Reason): number => REASON_CODES.indexOf(reason.code);
  return [...seen.values()].sort((a, b) => rank(b) - rank(a));
}
