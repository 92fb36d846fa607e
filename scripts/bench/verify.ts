import { bundleFromJSON } from '@sigstore/bundle';
import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toSignedEntity, toTrustMaterial, Verifier } from '@sigstore/verify';

import { digestOf } from '../../appliance/kernel/digest.ts';
import { parsePolicy } from '../../appliance/verification/policy.ts';
import { policySet } from '../../appliance/verification/policy-set.ts';
import { trustDomains } from '../../appliance/verification/trust-domains.ts';
import { verifyImage } from '../../appliance/verification/verify-image.ts';
import { sigstoreWorld } from '../../test/support/sigstore-world.ts';
import { measureInTurns, timingTable } from './measure.ts';

const ROUNDS = 300;
const IDENTITY = {
  issuer: 'https://token.actions.example',
  subject: 'https://github.com/acme/app/.github/workflows/release.yaml@refs/tags/v1',
};

/**
 * The whole verdict on one keylessly signed image (policies matched, evidence read, signature, certificate, log and
 * identity checked) beside what `@sigstore/verify` does for the same bundle: signature, certificate and log alone.
 */
export async function benchVerify(): Promise<void> {
  for (const log of [1, 2] as const) {
    const world = sigstoreWorld({ name: 'upstream.example' });
    const image = { name: 'ghcr.io/acme/app', digest: digestOf('an image') };
    const attached = world.signImage(image, { identity: IDENTITY, log });
    const bytes = attached.document.layers[0]?.bytes ?? Buffer.alloc(0);
    const bundle = JSON.parse(bytes.toString()) as unknown;

    const policy = parsePolicy({
      apiVersion: 'policy.sigstore.dev/v1beta1',
      kind: 'ClusterImagePolicy',
      metadata: { name: 'acme' },
      spec: {
        images: [{ glob: 'ghcr.io/acme/**' }],
        authorities: [{ keyless: { url: 'https://fulcio.upstream.example', identities: [IDENTITY] } }],
      },
    });
    const inputs = {
      policies: policySet([policy]),
      domains: trustDomains([world.domain()], { defaultName: world.name }),
      evidence: { evidenceFor: async () => [attached.document] },
      clock: world.clock,
    };
    const verdict = await verifyImage(image, inputs);
    if (verdict.kind !== 'admitted')
      throw new Error(`the bench's image is not admitted: ${JSON.stringify(verdict.reasons)}`);

    const stock = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(world.trustedRoot())));
    const timings = await measureInTurns(
      [
        { name: 'sealift: whole verdict', run: () => verifyImage(image, inputs) },
        {
          name: '@sigstore/verify 4.1.3: the bundle alone',
          run: () => stock.verify(toSignedEntity(bundleFromJSON(bundle))),
        },
      ],
      ROUNDS,
    );
    console.log(`\nOne keyless signature, Rekor v${log}\n${timingTable(timings)}`);
  }
}
