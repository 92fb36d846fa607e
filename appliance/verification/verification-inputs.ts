import type { Digest } from '../kernel/digest.ts';
import type { Clock } from '../kernel/clock.ts';
import type { EvidenceReader } from './evidence.ts';
import type { WorkloadFacts } from './match-policy.ts';
import type { PolicySet } from './policy-set.ts';
import type { SigstoreVerifier } from './sigstore-verifier.ts';

/** The trust domains of one generation, each with its verifier, made once and used for every image. */
export interface TrustDomains {
  /** Names of the domains that are there. */
  readonly names: readonly string[];
  /** The domain that a policy means when it names none. */
  readonly defaultName: string;
  /** Digest over every domain's name, trusted root and anchors. */
  readonly identity: Digest;
  get(name: string): LoadedDomain | undefined;
  /** The domain that has a certificate authority, or a log, at the host of `url`. */
  findByHost(kind: 'authority' | 'log', url: string): LoadedDomain | undefined;
}

/** One trust domain, ready to verify with. */
export interface LoadedDomain {
  readonly name: string;
  readonly verifier: SigstoreVerifier;
  /** When its trust was captured upstream; nothing for the site's own. */
  readonly capturedAt: Date | undefined;
  /** How old captured trust may be; nothing: any age. */
  readonly staleness: StalenessRule | undefined;
}

/** What to do with trust that was captured more than `maxAgeDays` ago. */
export interface StalenessRule {
  readonly maxAgeDays: number;
  readonly onStale: 'warn' | 'deny';
}

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
