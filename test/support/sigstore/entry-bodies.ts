import { createHash } from 'node:crypto';

import type { EntryBody } from './transparency-log.ts';

/** What a log entry is made of. */
export interface LoggedParts {
  /** The signed bytes: the message, or the envelope's pre-authentication encoding. */
  readonly signed: Buffer;
  /** The DSSE payload; nothing for a plain message. */
  readonly payload: Buffer | undefined;
  readonly signature: Buffer;
  /** Certificate or SubjectPublicKeyInfo in DER. */
  readonly verifier: { readonly certificate: Buffer } | { readonly spki: Buffer };
}

/** The body that Rekor v1 keeps: `dsse` for an envelope, `hashedrekord` for a message. */
export function bodyV1({ signed, payload, signature, verifier }: LoggedParts): EntryBody {
  const pem = Buffer.from(pemOf(verifier)).toString('base64');
  const content = signature.toString('base64');
  if (payload === undefined) {
    const spec = { data: { hash: sha256Hex(signed) }, signature: { content, publicKey: { content: pem } } };
    return { kind: 'hashedrekord', apiVersion: '0.0.1', spec };
  }
  const spec = {
    envelopeHash: sha256Hex(signed),
    payloadHash: sha256Hex(payload),
    signatures: [{ signature: content, verifier: pem }],
  };
  return { kind: 'dsse', apiVersion: '0.0.1', spec };
}

/** The body that Rekor v2 keeps: `hashedrekord` over the signed bytes, whatever they are. */
export function bodyV2({ signed, signature, verifier }: LoggedParts): EntryBody {
  const rawBytes = ('certificate' in verifier ? verifier.certificate : verifier.spki).toString('base64');
  const digest = createHash('sha256').update(signed).digest('base64');
  const by = 'certificate' in verifier ? { x509Certificate: { rawBytes } } : { publicKey: { rawBytes } };
  const hashedRekordV002 = {
    data: { algorithm: 'SHA2_256', digest },
    signature: {
      content: signature.toString('base64'),
      verifier: { ...by, keyDetails: 'PKIX_ECDSA_P256_SHA_256' },
    },
  };
  return { kind: 'hashedrekord', apiVersion: '0.0.2', spec: { hashedRekordV002 } };
}

/** PEM of a certificate or of a public key. */
export function pemOf(verifier: LoggedParts['verifier']): string {
  const [label, der] =
    'certificate' in verifier ? ['CERTIFICATE', verifier.certificate] : ['PUBLIC KEY', verifier.spki];
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

function sha256Hex(bytes: Buffer) {
  return { algorithm: 'sha256', value: createHash('sha256').update(bytes).digest('hex') };
}
