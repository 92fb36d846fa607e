import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

import {
  bits,
  boolean,
  certificateTime,
  context,
  element,
  integer,
  octets,
  oid,
  sequence,
  setOf,
  utf8,
} from './der.ts';

/** A private key with its public half in DER. */
export interface KeyPair {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** SubjectPublicKeyInfo. */
  readonly spki: Buffer;
}

/** A fresh key: ECDSA on `curve`, or Ed25519. */
export function newKey(curve: 'P-256' | 'P-384' | 'Ed25519' = 'P-256'): KeyPair {
  const pair = curve === 'Ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: curve });
  return { ...pair, spki: pair.publicKey.export({ type: 'spki', format: 'der' }) };
}

/** One X.509 extension. */
export interface Extension {
  readonly oid: string;
  readonly critical?: boolean;
  readonly value: Buffer;
}

/** What a certificate says. */
export interface CertificateContent {
  readonly commonName: string;
  readonly issuerName: string;
  readonly spki: Buffer;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly Extension[];
  readonly serial?: Buffer;
}

const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));

/** A Name with one common name. */
export function nameOf(commonName: string): Buffer {
  return sequence(setOf(sequence(oid('2.5.4.3'), utf8(commonName))));
}

/** The part of a certificate that is signed. */
export function tbsOf(content: CertificateContent, serial: Buffer): Buffer {
  const extensions = content.extensions.map(({ oid: id, critical = false, value }) =>
    sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(value)),
  );
  return sequence(
    context(0, integer(2)),
    integer(serial),
    ECDSA_SHA256,
    nameOf(content.issuerName),
    sequence(certificateTime(content.notBefore), certificateTime(content.notAfter)),
    content.commonName === '' ? sequence() : nameOf(content.commonName),
    content.spki,
    context(3, sequence(...extensions)),
  );
}

/** A fresh serial number. */
export function newSerial(): Buffer {
  const serial = randomBytes(16);
  serial[0] = 0x40 | ((serial[0] ?? 0) & 0x3f);
  return serial;
}

/** A certificate in DER, signed with ECDSA and SHA-256. */
export function issue(content: CertificateContent, signer: KeyObject): Buffer {
  const tbs = tbsOf(content, content.serial ?? newSerial());
  return sequence(tbs, ECDSA_SHA256, bits(sign('sha256', tbs, signer)));
}

/** Usual extensions. */
export const extension = {
  ca: (pathLength?: number): Extension => ({
    oid: '2.5.29.19',
    critical: true,
    value: sequence(boolean(true), ...(pathLength === undefined ? [] : [integer(pathLength)])),
  }),
  keyUsage: (usage: 'sign' | 'ca'): Extension => ({
    oid: '2.5.29.15',
    critical: true,
    value: usage === 'sign' ? bits(Buffer.from([0x80]), 7) : bits(Buffer.from([0x06]), 1),
  }),
  purpose: (purpose: 'codeSigning' | 'timeStamping' | 'serverAuth'): Extension => ({
    oid: '2.5.29.37',
    critical: purpose === 'timeStamping',
    value: sequence(oid(`1.3.6.1.5.5.7.3.${{ serverAuth: 1, codeSigning: 3, timeStamping: 8 }[purpose]}`)),
  }),
  subjectKey: (spki: Buffer): Extension => ({ oid: '2.5.29.14', value: octets(keyIdOf(spki)) }),
  authorityKey: (spki: Buffer): Extension => ({ oid: '2.5.29.35', value: sequence(element(0x80, keyIdOf(spki))) }),
  /** A URI, or an e-mail address when it has an `@` and no `://`. */
  subject: (name: string): Extension => ({
    oid: '2.5.29.17',
    critical: true,
    value: sequence(element(name.includes('@') && !name.includes('://') ? 0x81 : 0x86, Buffer.from(name, 'utf8'))),
  }),
};

function keyIdOf(spki: Buffer): Buffer {
  return createHash('sha1').update(spki).digest();
}
