import type { Clock } from '../kernel/clock.ts';
import type { EvidenceReader } from './evidence.ts';
import type { WorkloadFacts } from './match-policy.ts';
import type { PolicySet } from './policy-set.ts';
import type { TrustDomains } from './trust-domains.ts';

/** Looks up the PEM of a key that a policy takes from a Secret; nothing when it is not there. */
export type SecretKeys = (secret: { name: string; namespace: string | undefined }) => string | undefined;

/** Everything that a verdict on an image rests on. */
export interface VerificationInputs {
  readonly policies: PolicySet;
  readonly domains: TrustDomains;
  readonly evidence: EvidenceReader;
  readonly clock: Clock;
  /** The object that names the image, for a policy's `match`; without it every `match` matches. */
  readonly workload?: WorkloadFacts;
  readonly secretKeys?: SecretKeys;
}
