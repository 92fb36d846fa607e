import { createHash, sign } from 'node:crypto';

import type { Clock } from '../../../appliance/kernel/clock.ts';
import { extension, issue, nameOf, newKey, newSerial } from './certificate.ts';
import { context, integer, octets, oid, sequence, setOf, time } from './der.ts';

/** An RFC 3161 timestamp authority. */
export interface TimestampAuthority {
  /** Leaf, then root. */
  readonly chain: readonly Buffer[];
  /** A TimeStampResp over the SHA-256 of `data`, at the clock's now or at `at`. */
  timestamp(data: Buffer, at?: Date): Buffer;
}

const YEAR_MS = 365 * 24 * 60 * 60 * 1000;
const SHA256 = sequence(oid('2.16.840.1.101.3.4.2.1'));
const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));
const SIGNED_DATA = '1.2.840.113549.1.7.2';
const TST_INFO = '1.2.840.113549.1.9.16.1.4';
const CONTENT_TYPE = '1.2.840.113549.1.9.3';
const MESSAGE_DIGEST = '1.2.840.113549.1.9.4';
const POLICY = '1.3.6.1.4.1.57264.2';

/** Makes a timestamp authority. `purpose` is of its signing certificate. */
export function newTimestampAuthority(
  name: string,
  clock: Clock,
  purpose: 'timeStamping' | 'codeSigning' = 'timeStamping',
): TimestampAuthority {
  const [rootKey, leafKey] = [newKey(), newKey()];
  const start = new Date(clock.now().getTime() - YEAR_MS);
  const window = { notBefore: start, notAfter: new Date(start.getTime() + 10 * YEAR_MS) };
  const rootName = `${name} TSA root`;
  const authorityKey = extension.authorityKey(rootKey.spki);
  const root = issue(
    {
      ...window,
      commonName: rootName,
      issuerName: rootName,
      spki: rootKey.spki,
      extensions: [extension.ca(0), extension.keyUsage('ca'), extension.subjectKey(rootKey.spki), authorityKey],
    },
    rootKey.privateKey,
  );
  const serial = newSerial();
  const leaf = issue(
    {
      ...window,
      serial,
      commonName: `${name} TSA`,
      issuerName: rootName,
      spki: leafKey.spki,
      extensions: [
        extension.keyUsage('sign'),
        extension.purpose(purpose),
        extension.subjectKey(leafKey.spki),
        authorityKey,
      ],
    },
    rootKey.privateKey,
  );
  const signer = sequence(nameOf(rootName), integer(serial));
  return {
    chain: [leaf, root],
    timestamp: (data, at = clock.now()) =>
      response(tstInfo(data, at), signer, (bytes) => sign('sha256', bytes, leafKey.privateKey)),
  };
}

function tstInfo(data: Buffer, at: Date): Buffer {
  const imprint = sequence(SHA256, octets(createHash('sha256').update(data).digest()));
  return sequence(integer(1), oid(POLICY), imprint, integer(newSerial()), time(at));
}

function response(info: Buffer, signer: Buffer, signWith: (bytes: Buffer) => Buffer): Buffer {
  const attributes = [
    sequence(oid(CONTENT_TYPE), setOf(oid(TST_INFO))),
    sequence(oid(MESSAGE_DIGEST), setOf(octets(createHash('sha256').update(info).digest()))),
  ];
  // RFC 5652 §5.4: signed as a SET, carried as [0].
  const signedAttributes = setOf(...attributes);
  const carried = Buffer.from(signedAttributes);
  carried[0] = 0xa0;
  const signature = octets(signWith(signedAttributes));
  const signerInfo = sequence(integer(1), signer, SHA256, carried, ECDSA_SHA256, signature);
  const content = sequence(oid(TST_INFO), context(0, octets(info)));
  const signedData = sequence(integer(3), setOf(SHA256), content, setOf(signerInfo));
  return sequence(sequence(integer(0)), sequence(oid(SIGNED_DATA), context(0, signedData)));
}
