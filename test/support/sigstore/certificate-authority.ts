import { createHash, sign } from 'node:crypto';

import type { Clock } from '../../../appliance/kernel/clock.ts';
import {
  type CertificateContent,
  type Extension,
  extension,
  issue,
  type KeyPair,
  newKey,
  newSerial,
  tbsOf,
} from './certificate.ts';
import { octets, utf8 } from './der.ts';

/** Who a certificate is for, as an OIDC token says. */
export interface Identity {
  /** URI or e-mail address. */
  readonly subject: string;
  readonly issuer: string;
}

/** What to do differently than Fulcio does. */
export interface LeafOptions {
  readonly purpose?: 'codeSigning' | 'serverAuth';
  readonly withoutSct?: boolean;
  readonly notBefore?: Date;
  readonly key?: KeyPair;
}

/** A signing certificate and its key. */
export interface Leaf {
  readonly certificate: Buffer;
  readonly key: KeyPair;
}

/** A Fulcio and its certificate-transparency log: a root, an intermediate, and signing certificates of ten minutes. */
export interface CertificateAuthority {
  /** Intermediate, then root. */
  readonly chain: readonly Buffer[];
  readonly ctLogKey: KeyPair;
  issueTo(identity: Identity, options?: LeafOptions): Leaf;
}

const YEAR_MS = 365 * 24 * 60 * 60 * 1000;
const LEAF_MS = 10 * 60 * 1000;
const SCT_LIST = '1.3.6.1.4.1.11129.2.4.2';
const FULCIO = '1.3.6.1.4.1.57264.1';

/** Makes a CA whose certificates are valid from a year before the clock's now for ten years. */
export function newCertificateAuthority(name: string, clock: Clock): CertificateAuthority {
  const [rootKey, issuingKey, ctLogKey] = [newKey(), newKey(), newKey()];
  const start = new Date(clock.now().getTime() - YEAR_MS);
  const window = { notBefore: start, notAfter: new Date(start.getTime() + 10 * YEAR_MS) };
  const rootName = `${name} root`;
  const issuingName = `${name} intermediate`;
  const ca = (key: KeyPair): Extension[] => [
    extension.keyUsage('ca'),
    extension.subjectKey(key.spki),
    extension.authorityKey(rootKey.spki),
  ];
  const root = issue(
    {
      ...window,
      commonName: rootName,
      issuerName: rootName,
      spki: rootKey.spki,
      extensions: [extension.ca(1), ...ca(rootKey)],
    },
    rootKey.privateKey,
  );
  const extensions = [extension.ca(0), extension.purpose('codeSigning'), ...ca(issuingKey)];
  const intermediate = issue(
    { ...window, commonName: issuingName, issuerName: rootName, spki: issuingKey.spki, extensions },
    rootKey.privateKey,
  );
  return {
    chain: [intermediate, root],
    ctLogKey,
    issueTo: (identity, options = {}) => {
      const key = options.key ?? newKey();
      const content = leafContent(identity, { key, issuingKey, issuingName, options, now: clock.now() });
      const serial = newSerial();
      const extra =
        options.withoutSct === true ? [] : [sctExtension(content, serial, { issuingKey, ctLogKey, now: clock.now() })];
      const certificate = issue(
        { ...content, serial, extensions: [...content.extensions, ...extra] },
        issuingKey.privateKey,
      );
      return { certificate, key };
    },
  };
}

interface LeafParts {
  readonly key: KeyPair;
  readonly issuingKey: KeyPair;
  readonly issuingName: string;
  readonly options: LeafOptions;
  readonly now: Date;
}

function leafContent({ subject, issuer }: Identity, parts: LeafParts): CertificateContent {
  const { key, issuingKey, issuingName, options, now } = parts;
  const notBefore = options.notBefore ?? now;
  return {
    commonName: '',
    issuerName: issuingName,
    spki: key.spki,
    notBefore,
    notAfter: new Date(notBefore.getTime() + LEAF_MS),
    extensions: [
      extension.keyUsage('sign'),
      extension.purpose(options.purpose ?? 'codeSigning'),
      extension.subjectKey(key.spki),
      extension.authorityKey(issuingKey.spki),
      extension.subject(subject),
      { oid: `${FULCIO}.1`, value: Buffer.from(issuer, 'utf8') },
      { oid: `${FULCIO}.8`, value: utf8(issuer) },
    ],
  };
}

interface SctParts {
  readonly issuingKey: KeyPair;
  readonly ctLogKey: KeyPair;
  readonly now: Date;
}

/** RFC 6962 §3.2: the CT log signs the certificate without this extension, with the hash of the issuer's key. */
function sctExtension(content: CertificateContent, serial: Buffer, { issuingKey, ctLogKey, now }: SctParts): Extension {
  const tbs = tbsOf(content, serial);
  const timestamp = Buffer.alloc(8);
  timestamp.writeBigUInt64BE(BigInt(now.getTime()));
  const tbsLength = Buffer.from([tbs.length >> 16, (tbs.length >> 8) & 0xff, tbs.length & 0xff]);
  const signed = Buffer.concat([
    Buffer.from([0, 0]),
    timestamp,
    Buffer.from([0, 1]),
    createHash('sha256').update(issuingKey.spki).digest(),
    tbsLength,
    tbs,
    Buffer.from([0, 0]),
  ]);
  const logId = createHash('sha256').update(ctLogKey.spki).digest();
  const signature = sign('sha256', signed, ctLogKey.privateKey);
  const head = Buffer.from([0, 0, 4, 3]);
  const sct = Buffer.concat([Buffer.from([0]), logId, timestamp, head, sized(signature)]);
  return { oid: SCT_LIST, value: octets(sized(sized(sct))) };
}

function sized(bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}
