import { digestOf } from '../../appliance/kernel/digest.ts';
import { parsePolicy } from '../../appliance/verification/policy.ts';
import { policySet } from '../../appliance/verification/policy-set.ts';
import { trustDomains } from '../../appliance/verification/trust-domains.ts';
import type { Verdict } from '../../appliance/verification/verdict.ts';
import type { VerificationInputs } from '../../appliance/verification/verification-inputs.ts';
import { verifyImage } from '../../appliance/verification/verify-image.ts';
import type { AttachedEvidence, Identity, SigstoreWorld } from './sigstore-world.ts';

/** The image that tests sign and judge. */
export const IMAGE = { name: 'ghcr.io/acme/app', digest: digestOf('an image manifest'), size: 1024 };
export const OTHER_IMAGE = { name: 'ghcr.io/acme/other', digest: digestOf('another image manifest'), size: 1024 };

/** The signer that test policies want. */
export const DEVELOPER: Identity = { subject: 'dev@example.com', issuer: 'https://issuer.example' };

/** A ClusterImagePolicy for `ghcr.io/acme/**` with these authorities. */
export function policyDocument(
  authorities: readonly object[],
  options: { name?: string; spec?: object; annotations?: Record<string, string> } = {},
): object {
  const { name = 'acme', spec = {}, annotations = {} } = options;
  return {
    apiVersion: 'policy.sigstore.dev/v1beta1',
    kind: 'ClusterImagePolicy',
    metadata: { name, annotations },
    spec: { images: [{ glob: 'ghcr.io/acme/**' }], authorities, ...spec },
  };
}

/** A keyless authority that wants {@link DEVELOPER}. */
export function keyless(more: object = {}): object {
  return { keyless: { identities: [DEVELOPER] }, ...more };
}

/** What a test changes about the usual judgement: keyless by DEVELOPER, trust in `world` alone. */
export interface JudgeOptions extends Partial<VerificationInputs> {
  readonly documents?: readonly object[];
  readonly trustedRoot?: object;
}

/** The verdict on {@link IMAGE} with this attached to it. */
export async function judge(
  world: SigstoreWorld,
  attached: readonly AttachedEvidence[],
  { documents = [policyDocument([keyless()])], trustedRoot, ...inputs }: JudgeOptions = {},
): Promise<Verdict> {
  return await verifyImage(IMAGE, {
    policies: policySet(documents.map(parsePolicy)),
    domains: trustDomains([world.domain(trustedRoot)], { defaultName: world.name }),
    evidence: { evidenceFor: async () => attached.map(({ document }) => document) },
    clock: world.clock,
    ...inputs,
  });
}

/** The code of the most telling reason, or `admitted`. */
export function outcomeOf(verdict: Verdict): string {
  return verdict.kind === 'admitted' ? 'admitted' : (verdict.reasons[0]?.code ?? 'denied without a reason');
}
