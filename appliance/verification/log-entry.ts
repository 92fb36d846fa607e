import { X509Certificate as NodeCertificate } from 'node:crypto';

import type { TransparencyLogEntry } from '@sigstore/bundle';
import { z } from 'zod';

import { parseJson } from '../kernel/json.ts';
import type { SignedContent } from './signed-content.ts';

/** One transparency log entry of a bundle. */
export type LogEntry = TransparencyLogEntry;

/** Who a log entry says made the signature: a certificate, or a bare key, in DER. */
interface LoggedSignature {
  readonly signature: Buffer;
  readonly digest: Buffer;
  /** What the digest is of: the signed bytes, or the payload inside the envelope. */
  readonly digestOf: 'signed' | 'payload';
  readonly verifier: Verifier | undefined;
}

type Verifier =
  | { readonly kind: 'certificate'; readonly der: Buffer }
  | { readonly kind: 'key'; readonly spki: Buffer };

/** The signer that an entry must be for. */
export interface EntrySigner {
  /** DER of the bundle's certificate; nothing for a bare key. */
  readonly certificate: Buffer | undefined;
  /** DER of the SubjectPublicKeyInfo. */
  readonly spki: Buffer;
}

const base64 = z
  .string()
  .max(64 * 1024)
  .transform((text) => Buffer.from(text, 'base64'));
const hex = z
  .string()
  .max(128)
  .regex(/^(?:[0-9a-f]{2})+$/)
  .transform((text) => Buffer.from(text, 'hex'));
const hexDigest = z.looseObject({ value: hex });

const protoVerifier = z
  .looseObject({
    x509Certificate: z.looseObject({ rawBytes: base64 }).optional(),
    publicKey: z.looseObject({ rawBytes: base64 }).optional(),
  })
  .transform(({ x509Certificate, publicKey }): Verifier | undefined => {
    if ((x509Certificate === undefined) === (publicKey === undefined)) return undefined;
    if (x509Certificate !== undefined) return { kind: 'certificate', der: x509Certificate.rawBytes };
    return publicKey === undefined ? undefined : { kind: 'key', spki: publicKey.rawBytes };
  });
const protoSignature = z.looseObject({ content: base64, verifier: protoVerifier });

/** Rekor v1 and v2 bodies that can hold the signature of an image or of an attestation, by kind and version. */
const BODIES: Readonly<Record<string, z.ZodType<LoggedSignature>>> = {
  'hashedrekord/0.0.1': z
    .looseObject({
      data: z.looseObject({ hash: hexDigest }),
      signature: z.looseObject({ content: base64, publicKey: z.looseObject({ content: base64 }) }),
    })
    .transform(({ data, signature }) => ({
      signature: signature.content,
      digest: data.hash.value,
      digestOf: 'signed' as const,
      verifier: verifierOfPem(signature.publicKey.content),
    })),
  'dsse/0.0.1': z
    .looseObject({
      payloadHash: hexDigest,
      signatures: z.tuple([z.looseObject({ signature: base64, verifier: base64 })]),
    })
    .transform(({ payloadHash, signatures: [only] }) => ({
      signature: only.signature,
      digest: payloadHash.value,
      digestOf: 'payload' as const,
      verifier: verifierOfPem(only.verifier),
    })),
  'intoto/0.0.2': z
    .looseObject({
      content: z.looseObject({
        payloadHash: hexDigest,
        envelope: z.looseObject({ signatures: z.tuple([z.looseObject({ sig: base64, publicKey: base64 })]) }),
      }),
    })
    .transform(({ content: { payloadHash, envelope } }) => ({
      // The signature is base64 twice over in this kind.
      signature: Buffer.from(envelope.signatures[0].sig.toString('latin1'), 'base64'),
      digest: payloadHash.value,
      digestOf: 'payload' as const,
      verifier: verifierOfPem(envelope.signatures[0].publicKey),
    })),
  'hashedrekord/0.0.2': z
    .looseObject({
      hashedRekordV002: z.looseObject({ data: z.looseObject({ digest: base64 }), signature: protoSignature }),
    })
    .transform(({ hashedRekordV002: { data, signature } }) => ({
      signature: signature.content,
      digest: data.digest,
      digestOf: 'signed' as const,
      verifier: signature.verifier,
    })),
  'dsse/0.0.2': z
    .looseObject({
      dsseV002: z.looseObject({
        payloadHash: z.looseObject({ digest: base64 }),
        signatures: z.tuple([protoSignature]),
      }),
    })
    .transform(({ dsseV002: { payloadHash, signatures } }) => ({
      signature: signatures[0].content,
      digest: payloadHash.digest,
      digestOf: 'payload' as const,
      verifier: signatures[0].verifier,
    })),
};

const MAX_BODY_BYTES = 1024 * 1024;
const bodySchema = z.looseObject({ kind: z.string(), apiVersion: z.string(), spec: z.unknown() });

/**
 * What is wrong with a log entry for this signature by this signer; nothing when the entry is for exactly them. Binds
 * kind and version, signature, digest, and the key or certificate (client-spec §4.4 (2)): without the last, an entry
 * that somebody else logged for the same bytes would do (CVE-2022-36056, CVE-2026-22703).
 */
export function entryMismatch(entry: LogEntry, content: SignedContent, signer: EntrySigner): string | undefined {
  const logged = readBody(entry);
  if (typeof logged === 'string') return logged;
  if (!logged.signature.equals(content.signature)) return 'the log entry is for another signature';
  const isDigest = logged.digestOf === 'signed' ? content.isSignedDigest : content.isPayloadDigest;
  if (!isDigest(logged.digest)) return 'the log entry is for other content';
  return isVerifier(logged.verifier, signer) ? undefined : 'the log entry is for another key or certificate';
}

function readBody(entry: LogEntry): LoggedSignature | string {
  try {
    const body = bodySchema.parse(parseJson(entry.canonicalizedBody, 'log entry', { maxBytes: MAX_BODY_BYTES }));
    const kind = `${body.kind}/${body.apiVersion}`;
    if (kind !== `${entry.kindVersion.kind}/${entry.kindVersion.version}`) return 'the log entry is of another kind';
    const schema = Object.hasOwn(BODIES, kind) ? BODIES[kind] : undefined;
    if (schema === undefined) return `log entries of the kind ${kind.slice(0, 60)} are not supported`;
    return schema.parse(body.spec);
  } catch {
    return 'the log entry is malformed';
  }
}

function isVerifier(verifier: Verifier | undefined, { certificate, spki }: EntrySigner): boolean {
  if (verifier === undefined) return false;
  if (certificate !== undefined) return verifier.kind === 'certificate' && verifier.der.equals(certificate);
  return spki.equals(verifier.kind === 'key' ? verifier.spki : spkiOf(verifier.der));
}

const PEM = /^\s*-----BEGIN (CERTIFICATE|PUBLIC KEY)-----([A-Za-z0-9+/=\s]+)-----END \1-----\s*$/;

function verifierOfPem(pem: Buffer): Verifier | undefined {
  const [, label, body] = PEM.exec(pem.toString('latin1')) ?? [];
  if (label === undefined || body === undefined) return undefined;
  const der = Buffer.from(body, 'base64');
  return label === 'CERTIFICATE' ? { kind: 'certificate', der } : { kind: 'key', spki: der };
}

function spkiOf(certificate: Buffer): Buffer {
  try {
    return new NodeCertificate(certificate).publicKey.export({ type: 'spki', format: 'der' });
  } catch {
    return Buffer.alloc(0);
  }
}
