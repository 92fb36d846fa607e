import type { Digest } from '../kernel/digest.ts';

/** An image by the name it is asked for under and the digest that it is pinned to. */
export interface PinnedImage {
  /** `host/repository`. */
  readonly name: string;
  readonly digest: Digest;
}

/** One layer of an evidence manifest, with its bytes, which are what their digest says and nothing more. */
export interface EvidenceLayer {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly bytes: Buffer;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * One manifest that something attached to an image. Untrusted: whoever could write to the registry wrote it. Only the
 * verifier turns a document into something that counts.
 */
export interface EvidenceDocument {
  readonly manifest: Digest;
  readonly mediaType: string;
  readonly artifactType?: string;
  /** How it was found: as a referrer, or under a tag `sha256-….sig|att|sbom`. */
  readonly source: 'referrer' | 'tag';
  readonly suffix?: 'sig' | 'att' | 'sbom';
  readonly annotations: Readonly<Record<string, string>>;
  readonly layers: readonly EvidenceLayer[];
}

/** Where evidence comes from. An image with no evidence yields an empty list; an unknown image is an error. */
export interface EvidenceReader {
  /** @throws VerificationError `EVIDENCE_UNAVAILABLE`, `EVIDENCE_TOO_LARGE`. */
  evidenceFor(image: PinnedImage): Promise<readonly EvidenceDocument[]>;
}

/** Caps on what is read for one image, checked before anything is read. */
export interface EvidenceLimits {
  readonly maxDocuments: number;
  readonly maxLayersPerDocument: number;
  /** Of all documents together: each may have to be verified, which takes milliseconds. */
  readonly maxLayers: number;
  readonly maxLayerBytes: number;
  readonly maxTotalBytes: number;
}

/** 64 documents of 64 layers, 256 layers in all; 16 MiB a layer; 64 MiB in all. */
export const EVIDENCE_LIMITS: EvidenceLimits = {
  maxDocuments: 64,
  maxLayersPerDocument: 64,
  maxLayers: 256,
  maxLayerBytes: 16 * 1024 * 1024,
  maxTotalBytes: 64 * 1024 * 1024,
};
