import { type Pattern, parsePattern } from './pattern.ts';
import type {
  AuthorityDocument,
  IdentityDocument,
  KeylessDocument,
  KeyRefDocument,
  PolicyBodyDocument,
} from './policy-schema.ts';
import { HASH_NAMES, type HashName, type ManagedKey, parseManagedKey } from './public-key.ts';

/** An issuer or a subject that a policy wants: exactly this text, or text in which the RE2 pattern occurs. */
export type Wanted =
  | { readonly kind: 'exact'; readonly text: string }
  | { readonly kind: 'pattern'; readonly pattern: Pattern };

/** A signer that a keyless authority takes. */
export interface WantedIdentity {
  readonly issuer: Wanted;
  readonly subject: Wanted;
}

/** Where the key of a key authority comes from. */
export type KeySource =
  | { readonly kind: 'inline'; readonly key: ManagedKey }
  | { readonly kind: 'secret'; readonly name: string; readonly namespace: string | undefined; readonly hash: HashName }
  /** Key services can't be asked from a disconnected site. */
  | { readonly kind: 'kms'; readonly uri: string };

/** An attestation that must be there, whose statement must satisfy `body` when there is one. */
export interface WantedAttestation {
  readonly name: string;
  /** The predicate type's URI. */
  readonly predicateType: string;
  readonly body: PolicyBodyDocument | undefined;
}

interface SignatureAuthority {
  readonly name: string;
  /** Empty: a signature of the image itself is wanted. Otherwise these attestations, and no signature. */
  readonly attestations: readonly WantedAttestation[];
  readonly format: 'legacy' | 'bundle' | 'any';
  /** Log of the trust domain that must hold the entry; nothing when no `ctlog` is written. */
  readonly log: { readonly url: string | undefined; readonly trustRootRef: string | undefined } | undefined;
  /** A timestamp of the trust domain's timestamp authority is wanted. */
  readonly timestamp: { readonly trustRootRef: string | undefined } | undefined;
}

export interface KeyAuthority extends SignatureAuthority {
  readonly kind: 'key';
  readonly source: KeySource;
}

export interface KeylessAuthority extends SignatureAuthority {
  readonly kind: 'keyless';
  readonly identities: readonly WantedIdentity[];
  readonly url: string | undefined;
  readonly trustRootRef: string | undefined;
  /** The policy pins a CA certificate of its own, which no implementation acts on: it fails closed. */
  readonly hasOwnCa: boolean;
  readonly ignoresSct: boolean;
}

export interface StaticAuthority {
  readonly kind: 'static';
  readonly name: string;
  readonly action: 'pass' | 'fail';
  readonly message: string | undefined;
}

/** One alternative of a policy. */
export type Authority = KeyAuthority | KeylessAuthority | StaticAuthority;

/** Short names that upstream still takes for predicate types. */
const PREDICATE_TYPES: Readonly<Record<string, string>> = {
  custom: 'https://cosign.sigstore.dev/attestation/v1',
  slsaprovenance: 'https://slsa.dev/provenance/v0.2',
  slsaprovenance02: 'https://slsa.dev/provenance/v0.2',
  slsaprovenance1: 'https://slsa.dev/provenance/v1',
  spdx: 'https://spdx.dev/Document',
  spdxjson: 'https://spdx.dev/Document',
  cyclonedx: 'https://cyclonedx.org/bom',
  link: 'https://in-toto.io/Link/v1',
  vuln: 'https://cosign.sigstore.dev/attestation/vuln/v1',
  openvex: 'https://openvex.dev/ns',
};

/** The typed form of authorities that policy-rules.ts found no fault with. */
export function authoritiesOf(documents: readonly AuthorityDocument[]): Authority[] {
  return documents.map((document, index) => authorityOf(document, document.name ?? `authority-${index}`));
}

function authorityOf(document: AuthorityDocument, name: string): Authority {
  if (document.static !== undefined) {
    const action = document.static.action === 'pass' ? 'pass' : 'fail';
    return { kind: 'static', name, action, message: document.static.message };
  }
  const common = signatureAuthorityOf(document, name);
  if (document.key !== undefined) return { ...common, kind: 'key', source: keySourceOf(document.key) };
  return { ...common, ...keylessOf(document.keyless ?? {}) };
}

function signatureAuthorityOf(document: AuthorityDocument, name: string): SignatureAuthority {
  const { ctlog, rfc3161timestamp: timestamp } = document;
  // Upstream: `ctlog: {}` means that no log is looked at.
  const hasLog = ctlog !== undefined && (ctlog.url !== undefined || ctlog.trustRootRef !== undefined);
  return {
    name,
    attestations: (document.attestations ?? []).map((wanted) => ({
      name: wanted.name ?? '',
      predicateType: PREDICATE_TYPES[wanted.predicateType ?? ''] ?? wanted.predicateType ?? '',
      body: wanted.policy,
    })),
    format:
      document.signatureFormat === 'legacy' || document.signatureFormat === 'bundle' ? document.signatureFormat : 'any',
    log: hasLog ? { url: ctlog.url, trustRootRef: ctlog.trustRootRef } : undefined,
    timestamp: timestamp === undefined ? undefined : { trustRootRef: timestamp.trustRootRef },
  };
}

function keySourceOf({ data, secretRef, kms, hashAlgorithm }: KeyRefDocument): KeySource {
  const hash = HASH_NAMES.find((known) => known === hashAlgorithm) ?? 'sha256';
  const key = data === undefined ? undefined : parseManagedKey(data, hash);
  if (key !== undefined) return { kind: 'inline', key };
  if (secretRef !== undefined) {
    return { kind: 'secret', name: secretRef.name ?? '', namespace: secretRef.namespace, hash };
  }
  return { kind: 'kms', uri: kms ?? '' };
}

function keylessOf(keyless: KeylessDocument) {
  return {
    kind: 'keyless' as const,
    identities: (keyless.identities ?? []).map((identity) => ({
      issuer: wantedOf(identity, 'issuer'),
      subject: wantedOf(identity, 'subject'),
    })),
    url: keyless.url,
    trustRootRef: keyless.trustRootRef,
    hasOwnCa: keyless['ca-cert'] !== undefined,
    ignoresSct: keyless.insecureIgnoreSCT === true,
  };
}

function wantedOf(identity: IdentityDocument, field: 'issuer' | 'subject'): Wanted {
  const pattern = parsePattern(identity[`${field}RegExp`] ?? '');
  const exact = identity[field] ?? '';
  return exact === '' && pattern !== undefined ? { kind: 'pattern', pattern } : { kind: 'exact', text: exact };
}
