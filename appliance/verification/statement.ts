import { z } from 'zod';

import { parseJson } from '../kernel/json.ts';

/** What a signature claims to be about. Read before anything is verified; it counts only together with a signature that holds. */
export interface Claim {
  /** `sha256:…` of everything that it names. */
  readonly digests: readonly string[];
  /** The predicate type of an in-toto statement; the cosign signature type for a signature of an image. */
  readonly predicateType: string;
}

/** The predicate type of a cosign signature in bundle form: a statement that says no more than "signed". */
export const COSIGN_SIGNATURE_TYPE = 'https://sigstore.dev/cosign/sign/v1';

const IN_TOTO_PAYLOAD_TYPE = 'application/vnd.in-toto+json';
const MAX_SUBJECTS = 4096;
const MAX_STATEMENT_BYTES = 16 * 1024 * 1024;
const MAX_PAYLOAD_BYTES = 64 * 1024;

const statementSchema = z.looseObject({
  _type: z.enum(['https://in-toto.io/Statement/v0.1', 'https://in-toto.io/Statement/v1']),
  subject: z
    .array(z.looseObject({ digest: z.record(z.string(), z.string()) }))
    .min(1)
    .max(MAX_SUBJECTS),
  predicateType: z.string().min(1).max(1024),
});

const simpleSigningSchema = z.looseObject({
  critical: z.looseObject({
    type: z.enum(['cosign container image signature', COSIGN_SIGNATURE_TYPE]),
    image: z.looseObject({ 'docker-manifest-digest': z.string().max(200) }),
  }),
});

/** Reads the payload of a DSSE envelope as an in-toto statement. @throws when it is not one. */
export function readStatement(payload: Buffer, payloadType: string): Claim {
  if (payloadType !== IN_TOTO_PAYLOAD_TYPE) throw new Error(`the envelope holds ${payloadType.slice(0, 100)}`);
  const json = parseJson(payload, 'in-toto statement', { maxBytes: MAX_STATEMENT_BYTES });
  const { subject, predicateType } = statementSchema.parse(json);
  const digests = subject.flatMap(({ digest }) => {
    const hex = Object.hasOwn(digest, 'sha256') ? digest['sha256'] : undefined;
    return hex === undefined ? [] : [`sha256:${hex}`];
  });
  return { digests, predicateType };
}

/** Reads a cosign "simple signing" payload. @throws when it is not one. */
export function readSimpleSigning(payload: Buffer): Claim {
  const json = parseJson(payload, 'signature payload', { maxBytes: MAX_PAYLOAD_BYTES });
  const { critical } = simpleSigningSchema.parse(json);
  return { digests: [critical.image['docker-manifest-digest']], predicateType: COSIGN_SIGNATURE_TYPE };
}
