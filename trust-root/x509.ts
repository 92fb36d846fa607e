import 'reflect-metadata';

import { type KeyObject, X509Certificate as NodeCertificate, randomBytes, webcrypto } from 'node:crypto';

import * as x509 from '@peculiar/x509';

import { algorithmOf, publicKeyDer } from './keys.ts';
import { TrustRootError } from './trust-root-error.ts';

/** A certificate's subject. */
export interface DistinguishedName {
  readonly commonName: string;
  readonly organization: string;
}

/** Who signs: a CA certificate in PEM and its private key. */
export interface Issuer {
  readonly certificate: string;
  readonly key: KeyObject;
}

/** When a certificate is valid; whole seconds. */
export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** An extended key usage that Sealift issues. */
export type Purpose = 'serverAuth' | 'clientAuth' | 'codeSigning' | 'timeStamping';

/** What goes into a certificate. */
export interface CertificateRequest {
  readonly subject: DistinguishedName;
  /** The subject's key; only its public half goes in. P-256. */
  readonly key: KeyObject;
  readonly validity: Validity;
  /** Signs; the subject's own key does when left out. */
  readonly issuer?: Issuer;
  /** A CA, and how many CAs may follow below it; an end-entity certificate when left out. */
  readonly ca?: { readonly pathLength?: number };
  readonly purposes?: readonly Purpose[];
  /** RFC 3161 §2.3: a timestamping certificate's only purpose is critical. */
  readonly purposesCritical?: boolean;
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
}

const PURPOSES: Readonly<Record<Purpose, string>> = {
  serverAuth: x509.ExtendedKeyUsage.serverAuth,
  clientAuth: x509.ExtendedKeyUsage.clientAuth,
  codeSigning: x509.ExtendedKeyUsage.codeSigning,
  timeStamping: x509.ExtendedKeyUsage.timeStamping,
};
const { keyCertSign, cRLSign, digitalSignature } = x509.KeyUsageFlags;
const LEAF_USAGE: x509.KeyUsageFlags = digitalSignature;
const CA_USAGE: x509.KeyUsageFlags = keyCertSign | cRLSign;
const ECDSA_P256 = { name: 'ECDSA', namedCurve: 'P-256' };
const ECDSA_SHA256 = { name: 'ECDSA', hash: 'SHA-256' };

/**
 * Issues a certificate (X.509 v3, ECDSA P-256 with SHA-256) and gives it in PEM.
 * @throws TrustRootError `CERTIFICATE_INVALID` when it would outlive its issuer or its issuer's key is another;
 * `KEY_UNSUPPORTED` but for P-256 keys.
 */
export async function issueCertificate(request: CertificateRequest): Promise<string> {
  assertIssuable(request);
  const publicKey = await webcrypto.subtle.importKey('spki', publicKeyDer(request.key), ECDSA_P256, true, ['verify']);
  const subject = nameOf(request.subject);
  const parent = request.issuer === undefined ? undefined : new x509.X509Certificate(request.issuer.certificate);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: randomSerial(),
    subject,
    issuer: parent?.subjectName.toJSON() ?? subject,
    ...wholeSeconds(request.validity),
    publicKey,
    signingKey: await signingKeyOf(request.issuer?.key ?? request.key),
    signingAlgorithm: ECDSA_SHA256,
    extensions: await extensionsOf(request, { publicKey, parent }),
  });
  return `${certificate.toString('pem')}\n`;
}

function assertIssuable({ validity, issuer, key }: CertificateRequest): void {
  if (algorithmOf(key) !== 'p256') throw new TrustRootError('KEY_UNSUPPORTED', 'certificates carry P-256 keys');
  if (validity.notAfter <= validity.notBefore) throw invalid('ends before it begins');
  if (issuer === undefined) return;
  const parent = readCertificate(issuer.certificate);
  const { notBefore, notAfter } = wholeSeconds(validity);
  if (!parent.isCa) throw invalid('its issuer is no CA');
  if (!publicKeyDer(parent.publicKey).equals(publicKeyDer(issuer.key))) {
    throw invalid("the issuer's key is not the one in the issuer's certificate");
  }
  if (notAfter > parent.notAfter || notBefore < parent.notBefore) {
    throw invalid(
      `valid ${notBefore.toISOString()} to ${notAfter.toISOString()}, outside of its issuer's ` +
        `${parent.notBefore.toISOString()} to ${parent.notAfter.toISOString()}`,
    );
  }
}

function invalid(reason: string): TrustRootError {
  return new TrustRootError('CERTIFICATE_INVALID', `the certificate can't be issued: ${reason}`);
}

interface Keys {
  readonly publicKey: webcrypto.CryptoKey;
  readonly parent: x509.X509Certificate | undefined;
}

async function extensionsOf(request: CertificateRequest, { publicKey, parent }: Keys): Promise<x509.Extension[]> {
  const { ca, purposes = [], purposesCritical = false } = request;
  const oids = purposes.map((purpose) => PURPOSES[purpose]);
  const names = alternativeNames(request);
  return [
    new x509.BasicConstraintsExtension(ca !== undefined, ca?.pathLength, true),
    new x509.KeyUsagesExtension(ca === undefined ? LEAF_USAGE : CA_USAGE, true),
    await x509.SubjectKeyIdentifierExtension.create(publicKey),
    await x509.AuthorityKeyIdentifierExtension.create(parent?.publicKey ?? publicKey),
    ...(oids.length > 0 ? [new x509.ExtendedKeyUsageExtension(oids, purposesCritical)] : []),
    ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
  ];
}

function alternativeNames({ dnsNames = [], ipAddresses = [] }: CertificateRequest): x509.JsonGeneralNames {
  return [
    ...dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...ipAddresses.map((value) => ({ type: 'ip' as const, value })),
  ];
}

function signingKeyOf(key: KeyObject): Promise<webcrypto.CryptoKey> {
  if (algorithmOf(key) !== 'p256') throw new TrustRootError('KEY_UNSUPPORTED', 'certificates are signed by P-256 keys');
  const der = key.export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', der, ECDSA_P256, false, ['sign']);
}

/** 127 random bits, positive and never zero in its first byte (RFC 5280 §4.1.2.2: at most 20 octets, positive). */
function randomSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function nameOf({ commonName, organization }: DistinguishedName): x509.JsonName {
  return [{ O: [organization] }, { CN: [commonName] }];
}

function wholeSeconds({ notBefore, notAfter }: Validity): Validity {
  const floor = (time: Date): Date => new Date(Math.floor(time.getTime() / 1000) * 1000);
  return { notBefore: floor(notBefore), notAfter: floor(notAfter) };
}

/** What is read out of a certificate. */
export interface CertificateFacts {
  readonly subject: string;
  readonly issuer: string;
  /** Upper-case hex. */
  readonly serialNumber: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly isCa: boolean;
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly publicKey: KeyObject;
  readonly der: Buffer;
}

/** Reads a certificate in PEM. @throws TrustRootError `CERTIFICATE_INVALID`. */
export function readCertificate(pem: string): CertificateFacts {
  let certificate: NodeCertificate;
  try {
    certificate = new NodeCertificate(pem);
  } catch (cause) {
    throw new TrustRootError('CERTIFICATE_INVALID', 'not a certificate in PEM form', { cause });
  }
  const names = (certificate.subjectAltName ?? '').split(', ');
  const withPrefix = (prefix: string): string[] =>
    names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  return {
    subject: certificate.subject,
    issuer: certificate.issuer,
    serialNumber: certificate.serialNumber,
    notBefore: certificate.validFromDate,
    notAfter: certificate.validToDate,
    isCa: certificate.ca,
    dnsNames: withPrefix('DNS:'),
    ipAddresses: withPrefix('IP Address:'),
    publicKey: certificate.publicKey,
    der: certificate.raw,
  };
}

/** The certificates of a PEM text, each as its own PEM block. @throws TrustRootError `CERTIFICATE_INVALID` when there is none. */
export function splitPemChain(pem: string): string[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  if (blocks === null) throw new TrustRootError('CERTIFICATE_INVALID', 'no certificate in PEM form');
  return blocks.map((block) => `${block}\n`);
}
