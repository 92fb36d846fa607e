import { type Bundle, bundleFromJSON } from '@sigstore/bundle';

import { describeError } from '../kernel/coded-error.ts';
import { parseJson } from '../kernel/json.ts';
import { dsseContent, messageContent, type SignedContent } from './signed-content.ts';

/** Most log entries, and most timestamps, that one Sigstore bundle may carry. */
const MAX_ENTRIES = 8;
/** A path in a tree of 2^63 leaves has 63 hashes. */
const MAX_PROOF_HASHES = 64;
const MAX_CERTIFICATES = 8;
const MAX_BUNDLE_BYTES = 16 * 1024 * 1024;
const MAX_SIGNATURE_BYTES = 4096;

/** A Sigstore bundle as it was read: well-formed and within limits, and nothing in it is trusted. */
export interface ParsedBundle {
  readonly bundle: Bundle;
  /** DER of the leaf certificate; nothing for a signature by a bare key. */
  readonly certificate: Buffer | undefined;
  readonly content:
    | { readonly kind: 'message'; readonly signature: Buffer; readonly digest: Buffer }
    | { readonly kind: 'dsse'; readonly payload: Buffer; readonly payloadType: string; readonly signature: Buffer };
}

/** A document that could not be read, and why. */
export interface Malformed {
  readonly fault: string;
}

/** Reads a Sigstore bundle (v0.1, v0.2 or v0.3) from its JSON bytes. */
export function parseSigstoreBundle(bytes: Uint8Array): ParsedBundle | Malformed {
  try {
    return parsedBundle(bundleFromJSON(parseJson(bytes, 'Sigstore bundle', { maxBytes: MAX_BUNDLE_BYTES })));
  } catch (error) {
    return { fault: describeError(error) };
  }
}

/** Checks limits and form of a bundle that was put together from another format. */
export function parsedBundle(bundle: Bundle): ParsedBundle | Malformed {
  const fault = faultOf(bundle);
  if (fault !== undefined) return { fault };
  const { content } = bundle;
  const certificate = certificatesOf(bundle)[0];
  if (content.$case === 'messageSignature') {
    const { signature, messageDigest } = content.messageSignature;
    return { bundle, certificate, content: { kind: 'message', signature, digest: messageDigest.digest } };
  }
  const { payload, payloadType, signatures } = content.dsseEnvelope;
  const signature = signatures[0]?.sig ?? Buffer.alloc(0);
  return { bundle, certificate, content: { kind: 'dsse', payload, payloadType, signature } };
}

/** What the bundle's signature is over: its own envelope, or `message`. Nothing when it wants a message and has none. */
export function signedContentOf({ content }: ParsedBundle, message?: Buffer): SignedContent | undefined {
  if (content.kind === 'dsse') return dsseContent(content);
  return message === undefined ? undefined : messageContent(message, content.signature);
}

/** All certificates of a bundle in DER, leaf first; the library's types let parts be missing, hence the care. */
export function certificatesOf(bundle: Bundle): Buffer[] {
  const material = bundle.verificationMaterial.content;
  if (material.$case === 'certificate') return [material.certificate.rawBytes];
  return material.$case === 'publicKey' ? [] : material.x509CertificateChain.certificates.map((one) => one.rawBytes);
}

function faultOf(bundle: Bundle): string | undefined {
  const { tlogEntries, timestampVerificationData } = bundle.verificationMaterial;
  if (tlogEntries.length > MAX_ENTRIES) return `more than ${MAX_ENTRIES} log entries`;
  if ((timestampVerificationData?.rfc3161Timestamps ?? []).length > MAX_ENTRIES) {
    return `more than ${MAX_ENTRIES} timestamps`;
  }
  if (tlogEntries.some(({ inclusionProof }) => (inclusionProof?.hashes.length ?? 0) > MAX_PROOF_HASHES)) {
    return `an inclusion proof of more than ${MAX_PROOF_HASHES} hashes`;
  }
  if (certificatesOf(bundle).length > MAX_CERTIFICATES) return `more than ${MAX_CERTIFICATES} certificates`;
  return envelopeFault(bundle);
}

function envelopeFault({ content }: Bundle): string | undefined {
  if (content.$case === 'messageSignature') {
    return content.messageSignature.signature.length > MAX_SIGNATURE_BYTES ? 'an oversized signature' : undefined;
  }
  const { signatures } = content.dsseEnvelope;
  if (signatures.length !== 1) return `${signatures.length} signatures in the envelope instead of one`;
  return (signatures[0]?.sig.length ?? 0) > MAX_SIGNATURE_BYTES ? 'an oversized signature' : undefined;
}
