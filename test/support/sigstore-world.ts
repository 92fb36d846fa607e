import { createHash, sign } from 'node:crypto';

import { type AdjustableClock, clockAt } from '../../appliance/kernel/clock.ts';
import type { Digest } from '../../appliance/kernel/digest.ts';
import type { TrustDomain } from '../../trust-root/trust-domain.ts';
import { type KeyPair, newKey } from './sigstore/certificate.ts';
import {
  type CertificateAuthority,
  type Identity,
  type Leaf,
  type LeafOptions,
  newCertificateAuthority,
} from './sigstore/certificate-authority.ts';
import { bodyV1, bodyV2, type LoggedParts, pemOf } from './sigstore/entry-bodies.ts';
import { type AttachedEvidence, asReferrer, underTag } from './sigstore/evidence-manifest.ts';
import { newTimestampAuthority, type TimestampAuthority } from './sigstore/timestamp-authority.ts';
import { type LogEntryJson, newTransparencyLog, type TransparencyLog } from './sigstore/transparency-log.ts';

export type { Identity } from './sigstore/certificate-authority.ts';
export type { AttachedEvidence } from './sigstore/evidence-manifest.ts';

/** A whole Sigstore in this process: CA with CT log, Rekor v1 and v2, timestamp authority. Signs what it is told to. */
export interface SigstoreWorld {
  readonly name: string;
  readonly clock: AdjustableClock;
  readonly ca: CertificateAuthority;
  readonly rekorV1: TransparencyLog;
  readonly rekorV2: TransparencyLog;
  readonly tsa: TimestampAuthority;
  /** `trusted_root.json` as JSON, to be changed in tests. */
  trustedRoot(): TrustedRootJson;
  /** The world as a verifier knows it; nothing captured, so it does not age. */
  domain(trustedRoot?: object): TrustDomain;
  /** Signs an image as `cosign sign` does. */
  signImage(image: SignedImage, signer: SignerOptions): AttachedEvidence;
  /** Attests to an image as `cosign attest` does. */
  attest(
    image: SignedImage,
    statement: { predicateType: string; predicate: unknown },
    signer: SignerOptions,
  ): AttachedEvidence;
}

/** An image to sign: a digest, and its manifest's size for referrers. */
export interface SignedImage {
  readonly name: string;
  readonly digest: Digest;
  readonly size?: number;
}

/** Who signs, and how. */
export interface SignerOptions {
  /** Keyless: who the certificate is for. */
  readonly identity?: Identity;
  /** With a key of one's own instead. */
  readonly key?: KeyPair;
  /** Rekor's version; 1 unless told. */
  readonly log?: 1 | 2;
  /** `bundle` (a Sigstore bundle v0.3 as a referrer) unless told; `legacy`: cosign's tags and annotations, no proof. */
  readonly format?: 'bundle' | 'legacy';
  readonly leaf?: LeafOptions;
  /** Adds a timestamp with Rekor v1 too. */
  readonly timestamped?: boolean;
  /** Called with the bundle's JSON before it is attached: the place to forge. */
  readonly forge?: (bundle: BundleJson, made: MadeSignature) => void;
}

/** A Sigstore bundle v0.3 in JSON. */
export interface BundleJson {
  mediaType: string;
  verificationMaterial: {
    certificate?: { rawBytes: string };
    publicKey?: { hint: string };
    tlogEntries: LogEntryJson[];
    timestampVerificationData: { rfc3161Timestamps: { signedTimestamp: string }[] };
  };
  dsseEnvelope: { payload: string; payloadType: string; signatures: { sig: string; keyid: string }[] };
}

/** What went into a signature, for forgers. */
export interface MadeSignature {
  readonly key: KeyPair;
  readonly certificate: Buffer | undefined;
  readonly parts: LoggedParts;
}

export interface TrustedLogJson {
  baseUrl: string;
  hashAlgorithm: string;
  publicKey: { rawBytes: string; keyDetails: string; validFor: { start?: string; end?: string } };
  logId: { keyId: string };
}

interface TrustedAuthorityJson {
  subject: { organization: string; commonName: string };
  uri: string;
  certChain: { certificates: { rawBytes: string }[] };
  validFor: { start: string };
}

export interface TrustedRootJson {
  mediaType: string;
  tlogs: TrustedLogJson[];
  certificateAuthorities: TrustedAuthorityJson[];
  ctlogs: TrustedLogJson[];
  timestampAuthorities: TrustedAuthorityJson[];
}

const YEAR_MS = 365 * 24 * 60 * 60 * 1000;
const BUNDLE_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const COSIGN_SIGNATURE = 'https://sigstore.dev/cosign/sign/v1';
const IN_TOTO = 'application/vnd.in-toto+json';

/**
 * Makes a Sigstore called `name` (its hosts are `fulcio.<name>`, `rekor.<name>` …) that stands at `now`.
 * @param options.clock shares another world's clock.
 */
export function sigstoreWorld(options: { name?: string; now?: Date; clock?: AdjustableClock } = {}): SigstoreWorld {
  const name = options.name ?? 'sigstore.example';
  const clock = options.clock ?? clockAt(options.now ?? '2026-06-01T12:00:00Z');
  const parts = {
    name,
    clock,
    ca: newCertificateAuthority(name, clock),
    rekorV1: newTransparencyLog(`rekor.${name}`, clock, 1),
    rekorV2: newTransparencyLog(`log2026.rekor.${name}`, clock, 2),
    tsa: newTimestampAuthority(name, clock),
  };
  const since = new Date(clock.now().getTime() - YEAR_MS).toISOString();
  const trustedRoot = (): TrustedRootJson => trustedRootOf(parts, since);
  return {
    ...parts,
    trustedRoot,
    domain: (root = trustedRoot()) => ({ name, trustedRoot: Buffer.from(JSON.stringify(root)), staleness: {} }),
    signImage: (image, signer) => {
      if (signer.format === 'legacy') return legacySignature(parts, image, signer);
      return attestation(parts, image, { ...signer, statement: { predicateType: COSIGN_SIGNATURE, predicate: {} } });
    },
    attest: (image, statement, signer) => attestation(parts, image, { ...signer, statement }),
  };
}

type Parts = Pick<SigstoreWorld, 'name' | 'clock' | 'ca' | 'rekorV1' | 'rekorV2' | 'tsa'>;

function trustedRootOf({ name, ca, rekorV1, rekorV2, tsa }: Parts, start: string): TrustedRootJson {
  const logOf = (baseUrl: string, key: KeyPair, logId: Buffer): TrustedLogJson => ({
    baseUrl,
    hashAlgorithm: 'SHA2_256',
    publicKey: {
      rawBytes: key.spki.toString('base64'),
      keyDetails: key.publicKey.asymmetricKeyType === 'ed25519' ? 'PKIX_ED25519' : 'PKIX_ECDSA_P256_SHA_256',
      validFor: { start },
    },
    logId: { keyId: logId.toString('base64') },
  });
  const authorityOf = (uri: string, chain: readonly Buffer[]): TrustedAuthorityJson => ({
    subject: { organization: name, commonName: name },
    uri,
    certChain: { certificates: chain.map((der) => ({ rawBytes: der.toString('base64') })) },
    validFor: { start },
  });
  const ctLogId = createHash('sha256').update(ca.ctLogKey.spki).digest();
  return {
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [rekorV1, rekorV2].map(({ baseUrl, key, logId }) => logOf(baseUrl, key, logId)),
    certificateAuthorities: [authorityOf(`https://fulcio.${name}`, ca.chain)],
    ctlogs: [logOf(`https://ctfe.${name}`, ca.ctLogKey, ctLogId)],
    timestampAuthorities: [authorityOf(`https://tsa.${name}/api/v1/timestamp`, tsa.chain)],
  };
}

function keysOf(
  { ca }: Parts,
  { identity, key, leaf }: SignerOptions,
): { key: KeyPair; certificate: Buffer | undefined } {
  if (identity === undefined) return { key: key ?? newKey(), certificate: undefined };
  const issued: Leaf = ca.issueTo(identity, { ...leaf, ...(key === undefined ? {} : { key }) });
  return { key: issued.key, certificate: issued.certificate };
}

function verifierOf(key: KeyPair, certificate: Buffer | undefined): LoggedParts['verifier'] {
  return certificate === undefined ? { spki: key.spki } : { certificate };
}

type StatementOptions = SignerOptions & { readonly statement: { predicateType: string; predicate: unknown } };

function attestation(parts: Parts, image: SignedImage, options: StatementOptions): AttachedEvidence {
  const { key, certificate } = keysOf(parts, options);
  const { statement, log = 1 } = options;
  const subject = [{ name: image.name, digest: { sha256: image.digest.replace('sha256:', '') } }];
  const payload = Buffer.from(JSON.stringify({ _type: 'https://in-toto.io/Statement/v1', subject, ...statement }));
  const signed = preAuthEncoding(IN_TOTO, payload);
  const signature = sign('sha256', signed, key.privateKey);
  const logged: LoggedParts = { signed, payload, signature, verifier: verifierOf(key, certificate) };
  const entry = log === 1 ? parts.rekorV1.add(bodyV1(logged)) : parts.rekorV2.add(bodyV2(logged));
  const stamps = log === 2 || options.timestamped === true ? [parts.tsa.timestamp(signature)] : [];
  const bundle: BundleJson = {
    mediaType: BUNDLE_TYPE,
    verificationMaterial: {
      ...(certificate === undefined
        ? { publicKey: { hint: createHash('sha256').update(key.spki).digest('base64') } }
        : { certificate: { rawBytes: certificate.toString('base64') } }),
      tlogEntries: [entry],
      timestampVerificationData: {
        rfc3161Timestamps: stamps.map((stamp) => ({ signedTimestamp: stamp.toString('base64') })),
      },
    },
    dsseEnvelope: {
      payload: payload.toString('base64'),
      payloadType: IN_TOTO,
      signatures: [{ sig: signature.toString('base64'), keyid: '' }],
    },
  };
  options.forge?.(bundle, { key, certificate, parts: logged });
  if (options.format === 'legacy')
    return legacyAttestation(image, bundle, { certificate, predicateType: statement.predicateType });
  return asReferrer(
    { digest: image.digest, size: image.size ?? 1024 },
    {
      mediaType: BUNDLE_TYPE,
      bytes: Buffer.from(JSON.stringify(bundle)),
      manifestAnnotations: {
        'dev.sigstore.bundle.content': 'dsse-envelope',
        'dev.sigstore.bundle.predicateType': statement.predicateType,
      },
    },
  );
}

function legacySignature(parts: Parts, image: SignedImage, options: SignerOptions): AttachedEvidence {
  const { key, certificate } = keysOf(parts, options);
  const critical = {
    identity: { 'docker-reference': image.name },
    image: { 'docker-manifest-digest': image.digest },
    type: 'cosign container image signature',
  };
  const payload = Buffer.from(JSON.stringify({ critical, optional: null }));
  const signature = sign('sha256', payload, key.privateKey);
  const verifier = verifierOf(key, certificate);
  const entry = parts.rekorV1.add(bodyV1({ signed: payload, payload: undefined, signature, verifier }));
  return underTag(image, 'sig', {
    mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
    bytes: payload,
    annotations: {
      'dev.cosignproject.cosign/signature': signature.toString('base64'),
      ...legacyAnnotations(entry, certificate),
    },
  });
}

function legacyAttestation(
  image: SignedImage,
  { dsseEnvelope, verificationMaterial }: BundleJson,
  { certificate, predicateType }: { certificate: Buffer | undefined; predicateType: string },
): AttachedEvidence {
  const [entry] = verificationMaterial.tlogEntries;
  return underTag(image, 'att', {
    mediaType: 'application/vnd.dsse.envelope.v1+json',
    bytes: Buffer.from(JSON.stringify(dsseEnvelope)),
    annotations: {
      'dev.cosignproject.cosign/signature': '',
      predicateType,
      ...(entry === undefined ? {} : legacyAnnotations(entry, certificate)),
    },
  });
}

function legacyAnnotations(entry: LogEntryJson, certificate: Buffer | undefined): Record<string, string> {
  const bundle = {
    SignedEntryTimestamp: entry.inclusionPromise?.signedEntryTimestamp ?? '',
    Payload: {
      body: entry.canonicalizedBody,
      integratedTime: Number(entry.integratedTime ?? 0),
      logIndex: Number(entry.logIndex),
      logID: Buffer.from(entry.logId.keyId, 'base64').toString('hex'),
    },
  };
  return {
    'dev.sigstore.cosign/bundle': JSON.stringify(bundle),
    ...(certificate === undefined ? {} : { 'dev.sigstore.cosign/certificate': pemOf({ certificate }) }),
  };
}

/** DSSE pre-authentication encoding. */
export function preAuthEncoding(type: string, payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.length} ${type} ${payload.length} `), payload]);
}
