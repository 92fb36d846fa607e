import { z } from 'zod';

import { crane, type Developer } from './developer.ts';

const SIGNATURE = 'https://sigstore.dev/cosign/sign/v1';
const indexSchema = z.looseObject({ manifests: z.array(z.looseObject({ digest: z.string() })) });
const manifestSchema = z.looseObject({
  annotations: z.record(z.string(), z.string()).default({}),
  layers: z.array(z.looseObject({ digest: z.string() })),
});

/** The Sigstore bundle of an image's signature, by the tag that lists its referrers (OCI distribution-spec 1.1). */
export async function signatureBundle(who: Developer, image: string): Promise<string> {
  const [name = '', digest = ''] = image.split('@');
  const index = indexSchema.parse(JSON.parse(await crane(who, 'manifest', `${name}:${digest.replace(':', '-')}`)));
  for (const referrer of index.manifests) {
    const text = await crane(who, 'manifest', `${name}@${referrer.digest}`);
    const { annotations, layers } = manifestSchema.parse(JSON.parse(text));
    const [layer] = layers;
    if (annotations['dev.sigstore.bundle.predicateType'] === SIGNATURE && layer !== undefined) {
      return await crane(who, 'blob', `${name}@${layer.digest}`);
    }
  }
  throw new Error(`${image} has no signature`);
}
