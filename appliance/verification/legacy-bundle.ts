import { bundleFromJSON } from '@sigstore/bundle';
import { z } from 'zod';

import { parseJson } from '../kernel/json.ts';
import type { EvidenceLayer } from './evidence.ts';
import { type Malformed, type ParsedBundle, parsedBundle } from './sigstore-bundle.ts';

// cosign's older form keeps the verification material in annotations of a layer. It is put into the form of a Sigstore
// bundle v0.1, so that one verifier judges both. It carries the log's promise and never a proof.

const SIGNATURE = 'dev.cosignproject.cosign/signature';
const CERTIFICATE = 'dev.sigstore.cosign/certificate';
const LOG_BUNDLE = 'dev.sigstore.cosign/bundle';
const TIMESTAMP = 'dev.sigstore.cosign/rfc3161timestamp';

const MAX_ANNOTATION_BYTES = 1024 * 1024;
const FIRST_CERTIFICATE = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/;

const logBundleSchema = z.looseObject({
  SignedEntryTimestamp: z.string(),
  Payload: z.looseObject({
    body: z.string(),
    integratedTime: z.int().min(0),
    logIndex: z.int().min(0),
    logID: z.string().regex(/^[0-9a-f]{64}$/),
  }),
});
const bodySchema = z.looseObject({ kind: z.string(), apiVersion: z.string() });
const timestampSchema = z.looseObject({ SignedRFC3161Timestamp: z.string() });

const envelopeSchema = z.looseObject({
  payload: z.string(),
  payloadType: z.string(),
  signatures: z.array(z.looseObject({ sig: z.string() })).length(1),
});

/** The signature over a "simple signing" payload, which is the layer itself. @throws when an annotation is malformed. */
export function legacySignature(layer: EvidenceLayer, payloadSha256: Buffer): ParsedBundle | Malformed {
  const signature = layer.annotations[SIGNATURE];
  if (signature === undefined) return { fault: `the layer has no annotation ${SIGNATURE}` };
  const messageDigest = { algorithm: 'SHA2_256', digest: payloadSha256.toString('base64') };
  return assemble(layer, { messageSignature: { messageDigest, signature } });
}

/** The attestation whose DSSE envelope is the layer itself. @throws when it or an annotation is malformed. */
export function legacyAttestation(layer: EvidenceLayer): ParsedBundle | Malformed {
  const envelope = envelopeSchema.parse(parseJson(layer.bytes, 'DSSE envelope', { maxBytes: layer.bytes.length }));
  const { payload, payloadType, signatures } = envelope;
  const dsseEnvelope = { payload, payloadType, signatures: signatures.map(({ sig }) => ({ sig, keyid: '' })) };
  return assemble(layer, { dsseEnvelope });
}

function assemble(layer: EvidenceLayer, content: object): ParsedBundle | Malformed {
  const timestamp = annotation(layer, TIMESTAMP, timestampSchema);
  return parsedBundle(
    bundleFromJSON({
      mediaType: 'application/vnd.dev.sigstore.bundle+json;version=0.1',
      verificationMaterial: {
        ...signerOf(layer),
        tlogEntries: logEntriesOf(layer),
        timestampVerificationData: {
          rfc3161Timestamps: timestamp === undefined ? [] : [{ signedTimestamp: timestamp.SignedRFC3161Timestamp }],
        },
      },
      ...content,
    }),
  );
}

function signerOf(layer: EvidenceLayer): object {
  // The chain annotation is left out: only certificates of the trust domain may complete a chain.
  const body = FIRST_CERTIFICATE.exec(layer.annotations[CERTIFICATE] ?? '')?.[1];
  if (body === undefined) return { publicKey: { hint: '' } };
  return { x509CertificateChain: { certificates: [{ rawBytes: body.replace(/\s/g, '') }] } };
}

function logEntriesOf(layer: EvidenceLayer): object[] {
  const log = annotation(layer, LOG_BUNDLE, logBundleSchema);
  if (log === undefined) return [];
  const { body, integratedTime, logIndex, logID } = log.Payload;
  const { kind, apiVersion } = bodySchema.parse(
    parseJson(Buffer.from(body, 'base64'), 'log entry', { maxBytes: MAX_ANNOTATION_BYTES }),
  );
  return [
    {
      logIndex: String(logIndex),
      logId: { keyId: Buffer.from(logID, 'hex').toString('base64') },
      kindVersion: { kind, version: apiVersion },
      integratedTime: String(integratedTime),
      inclusionPromise: { signedEntryTimestamp: log.SignedEntryTimestamp },
      canonicalizedBody: body,
    },
  ];
}

function annotation<T>(layer: EvidenceLayer, name: string, schema: z.ZodType<T>): T | undefined {
  const text = layer.annotations[name];
  if (text === undefined || text === '') return undefined;
  return schema.parse(parseJson(text, `annotation ${name}`, { maxBytes: MAX_ANNOTATION_BYTES, maxDepth: 16 }));
}
