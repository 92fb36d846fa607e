import type { Clock } from '../kernel/clock.ts';
import type { EvidenceReader } from './evidence.ts';
import type { WorkloadFacts } from './match-policy.ts';
import type { PolicySet } from './policy-set.ts';
import type { SecretKeys } from './secret-keys.ts';
import type { TrustDomains } from './trust-domains.ts';

/** Everything that a verdict on an image rests on. */
export interface VerificationInputs {
  readonly policies: PolicySet;
  readonly domains: TrustDomains;
  /**
   * What policies of the floor are judged by: the domains that the TUF chain vouches for, so that nobody weakens the
   * floor by a TrustRoot of the cluster. `domains` unless told.
   */
  readonly floorDomains?: TrustDomains;
  readonly evidence: EvidenceReader;
  readonly clock: Clock;
  /** The object that names the image, for a policy's `match`; without it every `match` matches. */
  readonly workload?: WorkloadFacts;
  /** Keys that policies take from Secrets; without it there are none. */
  readonly secretKeys?: SecretKeys;
}
