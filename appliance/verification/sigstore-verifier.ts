import { RFC3161Timestamp, type X509Certificate } from '@sigstore/core';
import { VerificationError as LibraryError, type SignedEntity, type TrustMaterial, Verifier } from '@sigstore/verify';

import { describeError } from '../kernel/coded-error.ts';
import { type LeafCertificate, readLeaf } from './leaf-certificate.ts';
import { entryMismatch, type LogEntry } from './log-entry.ts';
import { type LogAnchor, transparencyOf } from './log-level.ts';
import type { ManagedKey } from './public-key.ts';
import { forLibrary, type SignedContent } from './signed-content.ts';
import { certificatesOf, type ParsedBundle } from './sigstore-bundle.ts';
import type { DomainMaterial } from './trust-material.ts';
import { isAtLeast, type ReasonCode, type TransparencyLevel } from './verdict.ts';

/** What a signature must have, besides being right. */
export interface Demands {
  /** The key that must have signed; nothing: a certificate of the trust domain. */
  readonly key?: ManagedKey;
  /** The least transparency level; `none`: log entries are not looked at. */
  readonly transparency: TransparencyLevel;
  /** How many distinct logs must vouch. 1 unless told. */
  readonly distinctLogs?: number;
  /** True when the certificate must carry a certificate-transparency timestamp. */
  readonly sct: boolean;
  /** True when a timestamp of the domain's timestamp authority must be there. */
  readonly timestampAuthority: boolean;
}

/** A signature that holds, and by whom. Whether *they* may sign is the policy's business. */
export interface Verified {
  readonly kind: 'verified';
  /** Nothing for a signature by a key. */
  readonly leaf: LeafCertificate | undefined;
  readonly transparency: TransparencyLevel;
  readonly signedAt: readonly Date[];
}

export interface Refused {
  readonly kind: 'refused';
  readonly code: ReasonCode;
  readonly message: string;
}

/** Verifies signatures against one trust domain, never against two. No input or output: everything is in the arguments. */
export interface SigstoreVerifier {
  verify(bundle: ParsedBundle, content: SignedContent, demands: Demands): Verified | Refused;
}

/**
 * The verifier of a trust domain: `@sigstore/verify`, and around it what that leaves open. Before the library: key or
 * certificate fit to sign, the signature itself, and the log entry bound to signature, content and key. After it:
 * checkpoints by exactly the entry's log, proofs, log keys inside their validity at every trusted time, distinct logs.
 * @param anchors checkpoints that this site holds; a signature that contradicts one is refused.
 */
export function sigstoreVerifier(material: DomainMaterial, anchors: readonly LogAnchor[] = []): SigstoreVerifier {
  return {
    verify: (bundle, content, demands) => {
      try {
        return judgeSignature({ bundle, content, demands }, { material, anchors });
      } catch (error) {
        // What is parsed lazily in the library (ASN.1 above all) throws whatever it likes: junk that somebody attached
        // must refuse itself, and not keep the image's other signatures from being looked at.
        return refused('SIGNATURE_MALFORMED', `it can't be read: ${describeError(error)}`);
      }
    },
  };
}

interface Question {
  readonly bundle: ParsedBundle;
  readonly content: SignedContent;
  readonly demands: Demands;
}

interface DomainTrust {
  readonly material: DomainMaterial;
  readonly anchors: readonly LogAnchor[];
}

function judgeSignature(
  { bundle, content, demands }: Question,
  { material, anchors }: DomainTrust,
): Verified | Refused {
  const signer = signerOf(bundle, demands);
  if (isRefused(signer)) return signer;
  const early = checkSignature(bundle, content, { demands, signer }) ?? checkLogs(bundle, demands, material);
  if (early !== undefined) return early;
  const entity = entityOf(bundle, content, { demands, signer });
  if (isRefused(entity)) return entity;
  const failure = runLibrary(material, entity, demands);
  if (failure !== undefined) return failure;
  return judgeLogs(entity, { material, anchors, demands, leaf: signer.leaf });
}

/** Verifies signatures by bare keys, with no trust domain: neither logs nor timestamps can be demanded of it. */
export function keyVerifier(): SigstoreVerifier {
  const publicKey = unreachableKey;
  const library = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [], publicKey };
  return sigstoreVerifier({ logs: [], authorityUrls: [], library });
}

interface BundleSigner {
  readonly leaf: LeafCertificate | undefined;
  readonly key: ManagedKey['key'];
  readonly spki: Buffer;
  readonly certificate: Buffer | undefined;
}

interface Request {
  readonly demands: Demands;
  readonly signer: BundleSigner;
}

function refused(code: ReasonCode, message: string): Refused {
  return { kind: 'refused', code, message };
}

function isRefused(value: object): value is Refused {
  return 'kind' in value && value.kind === 'refused';
}

function signerOf({ bundle, certificate }: ParsedBundle, { key }: Demands): BundleSigner | Refused {
  // A policy that names a key judges by that key alone: hints and certificates of the bundle have no say.
  if (key !== undefined) return { leaf: undefined, key: key.key, spki: key.spki, certificate: undefined };
  if (certificate === undefined) {
    return refused('UNTRUSTED_KEY', 'it was signed with a bare key, and a certificate of a trusted issuer is wanted');
  }
  const leaf = readLeaf(certificate, certificatesOf(bundle).slice(1));
  if ('fault' in leaf) return refused('CERTIFICATE_INVALID', leaf.fault);
  return { leaf, key: leaf.certificate.keyObject, spki: leaf.certificate.publicKey, certificate };
}

/** The checks that need no trust: they tell a broken signature from a foreign log entry, which the library does not. */
function checkSignature(
  { bundle }: ParsedBundle,
  content: SignedContent,
  { demands, signer }: Request,
): Refused | undefined {
  if (!content.isSignedBy(signer.key, demands.key?.hashAlgorithm)) {
    return demands.key === undefined
      ? refused('SIGNATURE_INVALID', 'the signature does not verify: it or what it signs was changed')
      : refused('UNTRUSTED_KEY', `the signature is not by the key ${demands.key.fingerprint}`);
  }
  if (demands.transparency === 'none') return undefined;
  const { tlogEntries } = bundle.verificationMaterial;
  if (tlogEntries.length === 0) return refused('LOG_ENTRY_MISSING', 'it carries no transparency log entry');
  for (const entry of tlogEntries) {
    const mismatch = entryMismatch(entry, content, { certificate: signer.certificate, spki: signer.spki });
    if (mismatch !== undefined) return refused('LOG_ENTRY_MISMATCH', mismatch);
  }
  return undefined;
}

function checkLogs({ bundle }: ParsedBundle, demands: Demands, { logs }: DomainMaterial): Refused | undefined {
  if (demands.transparency === 'none') return undefined;
  const isKnown = ({ logId }: LogEntry): boolean => logs.some((log) => log.logId.equals(logId.keyId));
  if (bundle.verificationMaterial.tlogEntries.every(isKnown)) return undefined;
  return refused('UNTRUSTED_LOG', 'its log entry is of a log that is not trusted');
}

function entityOf(
  { bundle }: ParsedBundle,
  content: SignedContent,
  { demands, signer }: Request,
): SignedEntity | Refused {
  const { tlogEntries, timestampVerificationData } = bundle.verificationMaterial;
  const usesLogs = demands.transparency !== 'none';
  // A key needs no time; timestamps that no policy asks for might be of authorities that nobody here knows.
  const wantsTimes = demands.key === undefined || demands.timestampAuthority;
  const entries: LogEntry[] = usesLogs ? tlogEntries : [];
  const timestamps: SignedEntity['timestamps'] = entries
    .filter((entry) => Number(entry.integratedTime) > 0)
    .map((tlogEntry) => ({ $case: 'transparency-log', tlogEntry }));
  try {
    for (const { signedTimestamp } of wantsTimes ? (timestampVerificationData?.rfc3161Timestamps ?? []) : []) {
      const timestamp = RFC3161Timestamp.parse(Buffer.from(signedTimestamp));
      timestamps.push({ $case: 'timestamp-authority', timestamp });
    }
    return {
      signature: forLibrary(content, demands.key?.hashAlgorithm),
      key:
        signer.leaf === undefined
          ? { $case: 'public-key', hint: '' }
          : { $case: 'certificate', certificate: signer.leaf.certificate },
      tlogEntries: entries,
      timestamps,
    };
  } catch (error) {
    return refused('TIMESTAMP_INVALID', `a timestamp is malformed: ${describeError(error)}`);
  }
}

function runLibrary(material: DomainMaterial, entity: SignedEntity, demands: Demands): Refused | undefined {
  const byAuthority = entity.timestamps.filter(({ $case }) => $case === 'timestamp-authority').length;
  if (demands.timestampAuthority && byAuthority === 0) {
    return refused('TIMESTAMP_MISSING', 'it carries no timestamp of a timestamp authority');
  }
  const { key } = demands;
  const timestampThreshold = key === undefined ? 1 : 0;
  if (trustedTimes(entity).length < timestampThreshold) {
    return refused('TIMESTAMP_MISSING', 'nothing proves when it was signed: neither a log promise nor a timestamp');
  }
  const publicKey = () => ({ publicKey: key?.key ?? unreachableKey(), validFor: () => true });
  const verifier = new Verifier(key === undefined ? material.library : { ...material.library, publicKey }, {
    ctlogThreshold: demands.sct ? 1 : 0,
    tlogThreshold: demands.transparency === 'none' ? 0 : 1,
    timestampThreshold,
  });
  try {
    verifier.verify(entity);
    return undefined;
  } catch (error) {
    return refusalOf(error, entity, material);
  }
}

function unreachableKey(): never {
  throw new Error('a key was asked for where a certificate signs');
}

const LIBRARY_CODES: Readonly<Record<string, ReasonCode>> = {
  CERTIFICATE_ERROR: 'CERTIFICATE_INVALID',
  TIMESTAMP_ERROR: 'TIMESTAMP_INVALID',
  TLOG_BODY_ERROR: 'LOG_ENTRY_MISMATCH',
  TLOG_ERROR: 'LOG_PROOF_INVALID',
  TLOG_INCLUSION_PROOF_ERROR: 'LOG_PROOF_INVALID',
  TLOG_INCLUSION_PROMISE_ERROR: 'LOG_PROOF_INVALID',
  TLOG_MISSING_INCLUSION_ERROR: 'LOG_PROOF_INVALID',
  PUBLIC_KEY_ERROR: 'UNTRUSTED_KEY',
  SIGNATURE_ERROR: 'SIGNATURE_INVALID',
};

function refusalOf(error: unknown, { key }: SignedEntity, { library }: DomainMaterial): Refused {
  const code = error instanceof LibraryError ? LIBRARY_CODES[error.code] : undefined;
  if (code === 'CERTIFICATE_INVALID' && key.$case === 'certificate' && !isIssuedBy(key.certificate, library)) {
    return refused('UNTRUSTED_CERTIFICATE', 'its certificate is not by a certificate authority that is trusted');
  }
  return refused(code ?? 'SIGNATURE_MALFORMED', describeError(error));
}

function isIssuedBy(leaf: X509Certificate, { certificateAuthorities }: TrustMaterial): boolean {
  return certificateAuthorities.some(({ certChain }) => certChain.some((issuer) => leaf.verify(issuer)));
}

/** Times in an entity that count once the library has accepted it: of authorities, and of logs that promised. */
function trustedTimes({ timestamps }: SignedEntity): Date[] {
  return timestamps.flatMap((one) => {
    if (one.$case === 'timestamp-authority') return [one.timestamp.signingTime];
    // Without a signed promise the integrated time is anybody's claim.
    if (one.tlogEntry.inclusionPromise === undefined) return [];
    return [new Date(Number(one.tlogEntry.integratedTime) * 1000)];
  });
}

interface LogJudgement extends DomainTrust {
  readonly demands: Demands;
  readonly leaf: LeafCertificate | undefined;
}

function judgeLogs(entity: SignedEntity, { material, anchors, demands, leaf }: LogJudgement): Verified | Refused {
  const signedAt = trustedTimes(entity);
  if (demands.transparency === 'none') return { kind: 'verified', leaf, transparency: 'none', signedAt };
  const result = transparencyOf(entity.tlogEntries, { logs: material.logs, anchors, signedAt });
  if ('fault' in result) return refused(result.code, result.fault);
  if (!isAtLeast(result.level, demands.transparency)) {
    return refused(
      'TRANSPARENCY_TOO_LOW',
      `its log entry is only ${result.level}, and the policy takes ${demands.transparency} or better (annotation sealift.dev/minimum-transparency)`,
    );
  }
  const wanted = demands.distinctLogs ?? 1;
  if (result.distinctLogs < wanted) {
    return refused('LOG_ENTRY_MISSING', `${result.distinctLogs} distinct logs hold it, and ${wanted} are wanted`);
  }
  return { kind: 'verified', leaf, transparency: result.level, signedAt };
}
