import { createHash, type KeyObject } from 'node:crypto';

import { algorithmOf, publicKeyDer } from './keys.ts';
import { TrustRootError } from './trust-root-error.ts';
import { readCertificate } from './x509.ts';

/** When an instance was in use; no end: it still is. */
export interface Period {
  /** The instance's creation; it never moves, or older signatures fall outside of it. */
  readonly start: Date;
  readonly end?: Date;
}

/** A transparency log as verifiers know it. */
export interface LogInstance {
  readonly baseUrl: string;
  readonly publicKey: KeyObject;
  readonly period: Period;
  readonly operator?: string;
  /** The checkpoint origin of a tiled log (Rekor v2), whose log id is made of it; Rekor v1 and CT logs have none. */
  readonly tiledOrigin?: string;
}

/** A certificate or timestamp authority as verifiers know it. */
export interface AuthorityInstance {
  readonly uri: string;
  /** PEM, the signing or issuing certificate first, the root last. */
  readonly certificates: readonly string[];
  readonly period: Period;
  readonly organization: string;
  readonly commonName: string;
  readonly operator?: string;
}

/** Everything that a trusted root names; retired instances stay, with an end to their period. */
export interface TrustedRootContent {
  readonly tlogs: readonly LogInstance[];
  readonly ctlogs: readonly LogInstance[];
  readonly certificateAuthorities: readonly AuthorityInstance[];
  readonly timestampAuthorities: readonly AuthorityInstance[];
}

/** The only spelling that every client takes; cosign 3.1 and sigstore-python 4.5 refuse the proto's own `…v0.2+json`. */
export const TRUSTED_ROOT_MEDIA_TYPE = 'application/vnd.dev.sigstore.trustedroot+json;version=0.1';

/**
 * Writes `trusted_root.json` (sigstore_trustroot.proto, TrustedRoot, proto3 JSON), instances ordered by their start.
 * @throws TrustRootError `DOCUMENT_INVALID`, `CERTIFICATE_INVALID`, `KEY_UNSUPPORTED`.
 */
export function writeTrustedRoot(content: TrustedRootContent): Buffer {
  const document = {
    mediaType: TRUSTED_ROOT_MEDIA_TYPE,
    tlogs: byStart(content.tlogs).map(logJson),
    certificateAuthorities: byStart(content.certificateAuthorities).map(authorityJson),
    ctlogs: byStart(content.ctlogs).map(logJson),
    timestampAuthorities: byStart(content.timestampAuthorities).map(authorityJson),
  };
  return Buffer.from(`${JSON.stringify(document, undefined, 2)}\n`);
}

/**
 * The id of a log, 32 bytes: sha256 of the key's SPKI for Rekor v1 and CT (RFC 6962 §3.2); for a tiled log with an Ed25519
 * key sha256 of origin, newline, 0x01 and the raw key (C2SP signed-note key id, not cut to four bytes; rekor-tiles CLIENTS.md).
 */
export function logIdOf({ publicKey, tiledOrigin }: Pick<LogInstance, 'publicKey' | 'tiledOrigin'>): Buffer {
  const hash = createHash('sha256');
  if (tiledOrigin === undefined || algorithmOf(publicKey) !== 'ed25519')
    return hash.update(publicKeyDer(publicKey)).digest();
  return hash.update(`${tiledOrigin}\n\u0001`).update(publicKeyDer(publicKey).subarray(-32)).digest();
}

function byStart<T extends { readonly period: Period }>(instances: readonly T[]): T[] {
  return [...instances].sort((a, b) => a.period.start.getTime() - b.period.start.getTime());
}

function logJson(log: LogInstance): object {
  assertUrl(log.baseUrl);
  return {
    baseUrl: log.baseUrl,
    hashAlgorithm: 'SHA2_256',
    publicKey: {
      rawBytes: publicKeyDer(log.publicKey).toString('base64'),
      keyDetails: algorithmOf(log.publicKey) === 'p256' ? 'PKIX_ECDSA_P256_SHA_256' : 'PKIX_ED25519',
      validFor: periodJson(log.period),
    },
    logId: { keyId: logIdOf(log).toString('base64') },
    ...(log.operator === undefined ? {} : { operator: log.operator }),
  };
}

function authorityJson(authority: AuthorityInstance): object {
  assertUrl(authority.uri);
  const { organization, commonName, certificates, period, operator } = authority;
  if (certificates.length === 0) throw new TrustRootError('DOCUMENT_INVALID', `${authority.uri}: no certificates`);
  assertChain(authority.uri, certificates);
  return {
    subject: { organization, commonName },
    uri: authority.uri,
    certChain: {
      certificates: certificates.map((pem) => ({ rawBytes: readCertificate(pem).der.toString('base64') })),
    },
    validFor: periodJson(period),
    ...(operator === undefined ? {} : { operator }),
  };
}

function assertChain(uri: string, certificates: readonly string[]): void {
  const chain = certificates.map(readCertificate);
  chain.forEach((certificate, index) => {
    const issuer = chain[index + 1] ?? certificate;
    if (certificate.issuer !== issuer.subject) {
      throw new TrustRootError(
        'DOCUMENT_INVALID',
        `${uri}: certificate ${index + 1} is not issued by the one after it`,
      );
    }
  });
}

function periodJson({ start, end }: Period): object {
  return { start: start.toISOString(), ...(end === undefined ? {} : { end: end.toISOString() }) };
}

function assertUrl(text: string): void {
  if (!URL.canParse(text) || !/^https?:\/\//.test(text) || text.endsWith('/')) {
    throw new TrustRootError(
      'DOCUMENT_INVALID',
      `${JSON.stringify(text)}: not an http(s) URL without a slash at its end`,
    );
  }
}
