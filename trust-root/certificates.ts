import type { KeyObject } from 'node:crypto';

import { type DistinguishedName, type Issuer, issueCertificate, type Validity } from './x509.ts';

/** Subject, key and validity of a certificate; which it is decides the rest. */
export interface CertificateSubject {
  readonly subject: DistinguishedName;
  readonly key: KeyObject;
  readonly validity: Validity;
}

/** A subject that another CA signs for. */
export interface IssuedSubject extends CertificateSubject {
  readonly issuer: Issuer;
}

/** The names of a TLS server. */
export interface ServerNames {
  readonly dnsNames: readonly string[];
  readonly ipAddresses?: readonly string[];
}

/** `days` days from `start`, in whole seconds. */
export function validFor(start: Date, days: number): Validity {
  return { notBefore: start, notAfter: new Date(start.getTime() + days * 86_400_000) };
}

/** The site's CA: issues the TLS certificates of all services, nothing below it. */
export function createSiteCa(subject: CertificateSubject): Promise<string> {
  return issueCertificate({ ...subject, ca: { pathLength: 0 } });
}

/** Fulcio's root; its key stays offline. */
export function createFulcioRoot(subject: CertificateSubject): Promise<string> {
  return issueCertificate({ ...subject, ca: { pathLength: 1 } });
}

/** Fulcio's issuing CA. Fulcio's fileca wants code signing on an issuing CA that is not a root (fulcio pkg/ca/common.go). */
export function createFulcioIntermediate(subject: IssuedSubject): Promise<string> {
  return issueCertificate({ ...subject, ca: { pathLength: 0 }, purposes: ['codeSigning'] });
}

/** The timestamp authority's root; its key stays offline. */
export function createTsaRoot(subject: CertificateSubject): Promise<string> {
  return issueCertificate({ ...subject, ca: { pathLength: 1 } });
}

/** The timestamp authority's intermediate; its key stays offline. The server wants timestamping on it (enforce-intermediate-eku). */
export function createTsaIntermediate(subject: IssuedSubject): Promise<string> {
  return issueCertificate({ ...subject, ca: { pathLength: 0 }, purposes: ['timeStamping'] });
}

/** The timestamp authority's signing certificate: digitalSignature, and timeStamping alone and critical (RFC 3161 §2.3). */
export function createTsaLeaf(subject: IssuedSubject): Promise<string> {
  return issueCertificate({ ...subject, purposes: ['timeStamping'], purposesCritical: true });
}

/** A service's TLS certificate. */
export function createServerCertificate(subject: IssuedSubject, names: ServerNames): Promise<string> {
  return issueCertificate({ ...subject, purposes: ['serverAuth'], ...names });
}

/** Certificates in the order that servers and `trusted_root.json` take: leaf first, root last. */
export function pemChain(...certificates: readonly string[]): string {
  return certificates.map((pem) => `${pem.trim()}\n`).join('');
}
