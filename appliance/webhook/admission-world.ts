import type { Digest } from '../kernel/digest.ts';
import type { ImageReference } from '../kernel/image-reference.ts';
import type { WorkloadFacts } from '../verification/match-policy.ts';
import type { Verdict } from '../verification/verdict.ts';
import type { NamespaceMode } from './namespace-modes.ts';

/** An image to be judged: pinned, and where it is used. */
export interface ImageQuestion {
  readonly reference: ImageReference;
  readonly digest: Digest;
  readonly workload: WorkloadFacts;
}

/** One consistent state of trust, policies and modes. A review is judged by one such state from its start to its end. */
export interface AdmissionWorld {
  /** The number of the generation that trust and evidence come from. */
  readonly generation: number;
  modeOf(namespace: string): NamespaceMode;
  /**
   * The digest that a reference stands for now: its own, else what the evidence index or the site's registry says.
   * @throws WebhookError `DIGEST_UNRESOLVED`, `REGISTRY_FAILED`.
   */
  digestOf(reference: ImageReference): Promise<Digest>;
  /** A verdict. @throws VerificationError, WebhookError when it could not be decided. */
  judge(question: ImageQuestion): Promise<Verdict>;
}

/** Where the present world comes from. */
export interface WorldSource {
  /** @throws WebhookError `NOT_READY` while trust or policies were never loaded. */
  current(): AdmissionWorld;
}
