import { X509Certificate as NodeCertificate } from 'node:crypto';

import { CachedCertificate } from './cached-certificate.ts';

/** A signing certificate and what it says about its holder. Untrusted until the verifier has checked its chain. */
export interface LeafCertificate {
  readonly certificate: CachedCertificate;
  /** The OIDC issuer (Fulcio extension 1.8, older 1.1). */
  readonly issuer: string;
  /** Subject alternative names: URI, e-mail address or Fulcio's own other-name. */
  readonly subjects: readonly string[];
}

const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';
const ISSUER_V2 = '1.3.6.1.4.1.57264.1.8';
const ISSUER_V1 = '1.3.6.1.4.1.57264.1.1';
const OTHER_NAME = '1.3.6.1.4.1.57264.1.7';
const MAX_CERTIFICATE_BYTES = 64 * 1024;

/** Reads the leaf of a bundle, or says what makes it unfit to sign with. */
export function readLeaf(der: Buffer, issuedBy: readonly Buffer[]): LeafCertificate | { readonly fault: string } {
  if (der.length > MAX_CERTIFICATE_BYTES) return { fault: 'the certificate is oversized' };
  try {
    const node = new NodeCertificate(der);
    if (node.ca) return { fault: 'the certificate is a CA certificate, not a signing certificate' };
    // RFC 5280 §4.2.1.12: a certificate for something else (TLS, say) of the same CA must not sign images.
    if (!(node.keyUsage as readonly string[] | undefined)?.includes(CODE_SIGNING)) {
      return { fault: 'the certificate is not for code signing' };
    }
    // Bundles carry intermediates at most: a root in there invites clients to trust it.
    if (issuedBy.some(isSelfIssued)) return { fault: 'the bundle carries a root certificate' };
    const certificate = CachedCertificate.of(der);
    return { certificate, issuer: issuerOf(certificate), subjects: subjectsOf(certificate) };
  } catch {
    return { fault: 'the certificate is malformed' };
  }
}

function isSelfIssued(der: Buffer): boolean {
  const certificate = new NodeCertificate(der);
  return certificate.subject === certificate.issuer;
}

function issuerOf(certificate: CachedCertificate): string {
  const current = certificate.extension(ISSUER_V2)?.valueObj.subs[0]?.value;
  return (current ?? certificate.extension(ISSUER_V1)?.value ?? Buffer.alloc(0)).toString('utf8');
}

// GeneralName tags (RFC 5280 §4.2.1.6).
const OTHER = 0;
const EMAIL = 1;
const URI = 6;

function subjectsOf(certificate: CachedCertificate): string[] {
  const names = certificate.extSubjectAltName?.valueObj.subs[0]?.subs ?? [];
  return names.flatMap((name) => {
    if (name.tag.isContextSpecific(EMAIL) || name.tag.isContextSpecific(URI)) return [name.value.toString('utf8')];
    if (!name.tag.isContextSpecific(OTHER) || name.subs[0]?.toOID() !== OTHER_NAME) return [];
    const text = name.subs[1]?.subs[0]?.value;
    return text === undefined ? [] : [text.toString('utf8')];
  });
}
