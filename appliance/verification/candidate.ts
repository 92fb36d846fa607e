import { createHash } from 'node:crypto';

import { describeError } from '../kernel/coded-error.ts';
import type { Digest } from '../kernel/digest.ts';
import type { EvidenceDocument, EvidenceLayer } from './evidence.ts';
import { legacyAttestation, legacySignature } from './legacy-bundle.ts';
import type { SignedContent } from './signed-content.ts';
import { type Malformed, type ParsedBundle, parseSigstoreBundle, signedContentOf } from './sigstore-bundle.ts';
import type { Refused, Verified } from './sigstore-verifier.ts';
import { type Claim, COSIGN_SIGNATURE_TYPE, readSimpleSigning, readStatement } from './statement.ts';

/** Something attached to an image that may be a signature or an attestation of it. Nothing in it is trusted. */
export interface Candidate {
  readonly manifest: Digest;
  readonly format: 'legacy' | 'bundle';
  /** What its annotations say that it is, to leave reading to when it is wanted; it may lie, and then it is of no use. */
  readonly hint: string | undefined;
  /** Its parsed form; read once, when first asked for. */
  read(): ReadCandidate | Malformed;
}

export interface ReadCandidate {
  readonly bundle: ParsedBundle;
  readonly content: SignedContent;
  readonly claim: Claim;
  /** What came of verifying it, by what was asked for. */
  readonly outcomes: Map<string, Verified | Refused>;
}

const BUNDLE_TYPE = /^application\/vnd\.dev\.sigstore\.bundle(?:\+json;version=0\.[123]|\.v0\.3\+json)$/;
const SIMPLE_SIGNING_TYPE = 'application/vnd.dev.cosign.simplesigning.v1+json';
const DSSE_TYPE = 'application/vnd.dsse.envelope.v1+json';
const BUNDLE_PREDICATE = 'dev.sigstore.bundle.predicateType';

/** True for media and artifact types under which signatures and attestations are found. */
export function isSignatureType(mediaType: string): boolean {
  return BUNDLE_TYPE.test(mediaType) || mediaType === SIMPLE_SIGNING_TYPE || mediaType === DSSE_TYPE;
}

/** The candidates in an image's evidence, one for each layer that can hold one. */
export function candidatesOf(documents: readonly EvidenceDocument[]): Candidate[] {
  return documents.flatMap((document) =>
    document.layers.flatMap((layer) => {
      const candidate = candidateOf(document, layer);
      return candidate === undefined ? [] : [candidate];
    }),
  );
}

function candidateOf(document: EvidenceDocument, layer: EvidenceLayer): Candidate | undefined {
  const { manifest } = document;
  if (BUNDLE_TYPE.test(layer.mediaType)) {
    const hint = document.annotations[BUNDLE_PREDICATE] ?? layer.annotations[BUNDLE_PREDICATE];
    return { manifest, format: 'bundle', hint, read: once(() => readBundle(layer)) };
  }
  if (layer.mediaType === SIMPLE_SIGNING_TYPE) {
    return { manifest, format: 'legacy', hint: COSIGN_SIGNATURE_TYPE, read: once(() => readLegacySignature(layer)) };
  }
  if (layer.mediaType === DSSE_TYPE) {
    const hint = layer.annotations['predicateType'];
    return { manifest, format: 'legacy', hint, read: once(() => readLegacyAttestation(layer)) };
  }
  return undefined;
}

function once(read: () => ReadCandidate | Malformed): () => ReadCandidate | Malformed {
  let result: ReadCandidate | Malformed | undefined;
  return () => {
    try {
      result ??= read();
    } catch (error) {
      result = { fault: describeError(error) };
    }
    return result;
  };
}

function readBundle(layer: EvidenceLayer): ReadCandidate | Malformed {
  return readEnvelope(parseSigstoreBundle(layer.bytes));
}

function readLegacyAttestation(layer: EvidenceLayer): ReadCandidate | Malformed {
  return readEnvelope(legacyAttestation(layer));
}

function readEnvelope(bundle: ParsedBundle | Malformed): ReadCandidate | Malformed {
  if ('fault' in bundle) return bundle;
  if (bundle.content.kind !== 'dsse') return { fault: 'it signs a message, and not a statement about an image' };
  const content = signedContentOf(bundle);
  if (content === undefined) return { fault: 'it signs nothing' };
  const claim = readStatement(bundle.content.payload, bundle.content.payloadType);
  return { bundle, content, claim, outcomes: new Map() };
}

function readLegacySignature(layer: EvidenceLayer): ReadCandidate | Malformed {
  const bundle = legacySignature(layer, createHash('sha256').update(layer.bytes).digest());
  if ('fault' in bundle) return bundle;
  const content = signedContentOf(bundle, layer.bytes);
  if (content === undefined) return { fault: 'it signs nothing' };
  return { bundle, content, claim: readSimpleSigning(layer.bytes), outcomes: new Map() };
}
