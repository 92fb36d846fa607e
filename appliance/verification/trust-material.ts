import { createPublicKey, type KeyObject, X509Certificate as NodeCertificate } from 'node:crypto';

import { TrustedRoot } from '@sigstore/protobuf-specs';
import type { TrustMaterial } from '@sigstore/verify';

import { describeError } from '../kernel/coded-error.ts';
import { parseJson } from '../kernel/json.ts';
import { CachedCertificate } from './cached-certificate.ts';
import { fingerprintOf } from './public-key.ts';
import { VerificationError } from './verification-error.ts';

/** A transparency log of a trust domain. */
export interface TrustedLog {
  /** The host of its base URL with its path: the name that signs its checkpoints. */
  readonly checkpointName: string;
  readonly baseUrl: string;
  /** What entries call the log by. */
  readonly logId: Buffer;
  readonly key: KeyObject;
  /** Tells one key from another, whatever its log is called. */
  readonly keyId: string;
  readonly validFor: Window;
}

/** A closed interval of time; open-ended when `end` is missing. */
export interface Window {
  readonly start: Date;
  readonly end: Date | undefined;
}

/** A trusted root, parsed once for all verifications of its domain. */
export interface DomainMaterial {
  readonly logs: readonly TrustedLog[];
  readonly authorityUrls: readonly string[];
  /** The library's form. Its key finder knows no key: keys come from policies. */
  readonly library: TrustMaterial;
}

const MAX_TRUSTED_ROOT_BYTES = 4 * 1024 * 1024;
const MEDIA_TYPE = /^application\/vnd\.dev\.sigstore\.trustedroot(?:\+json;version=0\.[12]|\.v0\.[12]\+json)$/;
const TIME_STAMPING = '1.3.6.1.5.5.7.3.8';
const END_OF_TIME = new Date(8_640_000_000_000_000);

/**
 * Reads a `trusted_root.json`.
 * @throws VerificationError `TRUST_ROOT_INVALID`, also for a log or CA without `validFor.start`: a missing bound is no
 *   bound, and a timestamp authority whose certificate is not for time stamping.
 */
export function parseTrustedRoot(bytes: Uint8Array, domain: string): DomainMaterial {
  try {
    const json = parseJson(bytes, 'trusted root', { maxBytes: MAX_TRUSTED_ROOT_BYTES });
    const root = TrustedRoot.fromJSON(json);
    if (!MEDIA_TYPE.test(root.mediaType)) throw new Error(`unknown media type ${JSON.stringify(root.mediaType)}`);
    const logs = root.tlogs.map(logOf);
    const timestampAuthorities = root.timestampAuthorities.map(authorityOf);
    timestampAuthorities.forEach(({ certChain }) => assertTimeStamping(certChain[0]));
    return {
      logs,
      authorityUrls: root.certificateAuthorities.map(({ uri }) => uri),
      library: {
        certificateAuthorities: root.certificateAuthorities.map(authorityOf),
        timestampAuthorities,
        tlogs: logs.map(libraryLog),
        ctlogs: root.ctlogs.map(logOf).map(libraryLog),
        publicKey: () => {
          throw new Error('keys come from policies');
        },
      },
    };
  } catch (cause) {
    throw new VerificationError('TRUST_ROOT_INVALID', `trust domain ${domain}: ${describeError(cause)}`, { cause });
  }
}

type LogInstance = TrustedRoot['tlogs'][number];
type AuthorityInstance = TrustedRoot['certificateAuthorities'][number];

function logOf({ baseUrl, publicKey, logId }: LogInstance): TrustedLog {
  const rawBytes = publicKey?.rawBytes;
  if (rawBytes === undefined || logId === undefined) throw new Error(`the log ${baseUrl} has no key or no log id`);
  const url = new URL(baseUrl);
  const key = publicKeyOf(rawBytes);
  return {
    checkpointName: `${url.host}${url.pathname.replace(/\/$/, '')}`,
    baseUrl,
    logId: logId.keyId,
    key,
    keyId: fingerprintOf(key.export({ type: 'spki', format: 'der' })),
    validFor: windowOf(publicKey?.validFor, `the log ${baseUrl}`),
  };
}

function publicKeyOf(der: Buffer): KeyObject {
  try {
    return createPublicKey({ key: der, format: 'der', type: 'spki' });
  } catch {
    return createPublicKey({ key: der, format: 'der', type: 'pkcs1' });
  }
}

function windowOf(range: { start?: Date | undefined; end?: Date | undefined } | undefined, what: string): Window {
  if (range?.start === undefined || Number.isNaN(range.start.getTime()))
    throw new Error(`${what} has no validFor.start`);
  return { start: range.start, end: range.end };
}

function authorityOf({ certChain, uri, validFor }: AuthorityInstance) {
  const certificates = (certChain?.certificates ?? []).map(({ rawBytes }) => CachedCertificate.of(rawBytes));
  if (certificates.length === 0) throw new Error(`the authority ${uri} has no certificates`);
  const { start, end = END_OF_TIME } = windowOf(validFor, `the authority ${uri}`);
  return { certChain: certificates, validFor: { start, end } };
}

function libraryLog({ baseUrl, logId, key, validFor }: TrustedLog): TrustMaterial['tlogs'][number] {
  return {
    baseURL: baseUrl,
    logID: logId,
    publicKey: key,
    validFor: { start: validFor.start, end: validFor.end ?? END_OF_TIME },
  };
}

function assertTimeStamping(certificate: CachedCertificate | undefined): void {
  // RFC 3161 §2.3: extended key usage, time stamping and nothing else.
  const usages = certificate === undefined ? [] : new NodeCertificate(certificate.der).keyUsage;
  if (!(usages as readonly string[] | undefined)?.includes(TIME_STAMPING)) {
    throw new Error("a timestamp authority's certificate is not for time stamping");
  }
}
