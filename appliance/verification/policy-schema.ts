import { z } from 'zod';

// The shape of `policy.sigstore.dev/v1beta1` and `v1alpha1`, which are the same. Kubernetes prunes unknown fields
// silently; here each is a refusal: a misspelt `identites` must not widen a policy.

const text = z.string().max(4096);
const longText = z.string().max(256 * 1024);

const secretRefSchema = z.strictObject({ name: text.exactOptional(), namespace: text.exactOptional() });

const keyRefSchema = z.strictObject({
  secretRef: secretRefSchema.exactOptional(),
  data: longText.exactOptional(),
  kms: text.exactOptional(),
  hashAlgorithm: text.exactOptional(),
});

const identitySchema = z.strictObject({
  issuer: text.exactOptional(),
  subject: text.exactOptional(),
  issuerRegExp: text.exactOptional(),
  subjectRegExp: text.exactOptional(),
});

const keylessSchema = z.strictObject({
  url: text.exactOptional(),
  identities: z.array(identitySchema).max(256).exactOptional(),
  'ca-cert': keyRefSchema.exactOptional(),
  trustRootRef: text.exactOptional(),
  insecureIgnoreSCT: z.boolean().exactOptional(),
});

const policyBodySchema = z.strictObject({
  type: text.exactOptional(),
  data: longText.exactOptional(),
  remote: z.strictObject({ url: text.exactOptional(), sha256sum: text.exactOptional() }).exactOptional(),
  configMapRef: z
    .strictObject({ name: text.exactOptional(), namespace: text.exactOptional(), key: text.exactOptional() })
    .exactOptional(),
  fetchConfigFile: z.boolean().exactOptional(),
  includeSpec: z.boolean().exactOptional(),
  includeObjectMeta: z.boolean().exactOptional(),
  includeTypeMeta: z.boolean().exactOptional(),
});

const attestationSchema = z.strictObject({
  name: text.exactOptional(),
  predicateType: text.exactOptional(),
  policy: policyBodySchema.exactOptional(),
});

const authoritySchema = z.strictObject({
  name: text.exactOptional(),
  key: keyRefSchema.exactOptional(),
  keyless: keylessSchema.exactOptional(),
  static: z.strictObject({ action: text.exactOptional(), message: text.exactOptional() }).exactOptional(),
  source: z
    .array(
      z.strictObject({
        oci: text.exactOptional(),
        signaturePullSecrets: z.array(z.strictObject({ name: text.exactOptional() })).exactOptional(),
        tagPrefix: text.exactOptional(),
      }),
    )
    .exactOptional(),
  ctlog: z.strictObject({ url: text.exactOptional(), trustRootRef: text.exactOptional() }).exactOptional(),
  attestations: z.array(attestationSchema).max(64).exactOptional(),
  rfc3161timestamp: z.strictObject({ trustRootRef: text.exactOptional() }).exactOptional(),
  signatureFormat: text.exactOptional(),
});

const selectorSchema = z.strictObject({
  matchLabels: z.record(text, text).exactOptional(),
  matchExpressions: z
    .array(z.strictObject({ key: text, operator: text, values: z.array(text).exactOptional() }))
    .exactOptional(),
});

const matchSchema = z.strictObject({
  resource: text.exactOptional(),
  group: text.exactOptional(),
  version: text.exactOptional(),
  selector: selectorSchema.exactOptional(),
});

/** A ClusterImagePolicy as it is written. Everything optional: what must be there is said by policy-rules.ts. */
export const policyDocumentSchema = z.strictObject({
  apiVersion: z.enum(['policy.sigstore.dev/v1beta1', 'policy.sigstore.dev/v1alpha1']),
  kind: z.literal('ClusterImagePolicy'),
  metadata: z.looseObject({
    name: z.string().min(1).max(253),
    annotations: z.record(z.string(), z.string()).nullish(),
  }),
  spec: z.strictObject({
    images: z
      .array(z.strictObject({ glob: text.exactOptional() }))
      .max(1024)
      .exactOptional(),
    authorities: z.array(authoritySchema).max(256).exactOptional(),
    policy: policyBodySchema.exactOptional(),
    mode: text.exactOptional(),
    match: z.array(matchSchema).max(256).exactOptional(),
  }),
  status: z.unknown().optional(),
});

export type PolicyDocument = z.infer<typeof policyDocumentSchema>;
export type AuthorityDocument = z.infer<typeof authoritySchema>;
export type KeyRefDocument = z.infer<typeof keyRefSchema>;
export type KeylessDocument = z.infer<typeof keylessSchema>;
export type IdentityDocument = z.infer<typeof identitySchema>;
export type MatchDocument = z.infer<typeof matchSchema>;
export type PolicyBodyDocument = z.infer<typeof policyBodySchema>;
export type AttestationDocument = z.infer<typeof attestationSchema>;
