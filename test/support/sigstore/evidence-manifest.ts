import { type Digest, digestOf } from '../../../appliance/kernel/digest.ts';
import type { EvidenceDocument } from '../../../appliance/verification/evidence.ts';
import type { EvidenceItem } from '../../../mirror/evidence-index.ts';

/** An OCI manifest that attaches a signature or attestation to an image, in every form that somebody may want it in. */
export interface AttachedEvidence {
  /** The manifest's bytes. */
  readonly manifest: Buffer;
  readonly manifestDigest: Digest;
  /** Config and layers, by digest. */
  readonly blobs: ReadonlyMap<Digest, Buffer>;
  /** As an evidence index lists it. */
  readonly item: EvidenceItem;
  /** As the verifier reads it. */
  readonly document: EvidenceDocument;
  /** The tag that it lies under in a registry, for evidence that is found by tag. */
  readonly tag: string | undefined;
}

/** What is attached. */
export interface Attachment {
  readonly mediaType: string;
  readonly bytes: Buffer;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly manifestAnnotations?: Readonly<Record<string, string>>;
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const EMPTY = Buffer.from('{}');
const CONFIG = { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(EMPTY), size: EMPTY.length };

/** Attaches by an OCI 1.1 referrer: the manifest names the image as its subject, and the artifact type. */
export function asReferrer(image: { digest: Digest; size: number }, attachment: Attachment): AttachedEvidence {
  const subject = { mediaType: MANIFEST, digest: image.digest, size: image.size };
  return attach(attachment, {
    head: { artifactType: attachment.mediaType },
    tail: { subject },
    found: { source: 'referrer' },
  });
}

/** Attaches under a tag, as cosign's older scheme does: `sha256-<hex>.sig` and `.att`. */
export function underTag(image: { digest: Digest }, suffix: 'sig' | 'att', attachment: Attachment): AttachedEvidence {
  const tag = `${image.digest.replace(':', '-')}.${suffix}`;
  return { ...attach(attachment, { head: {}, tail: {}, found: { source: 'tag', suffix } }), tag };
}

interface Form {
  readonly head: { readonly artifactType?: string };
  readonly tail: object;
  readonly found: { readonly source: 'referrer' | 'tag'; readonly suffix?: 'sig' | 'att' };
}

function attach(attachment: Attachment, { head, tail, found }: Form): AttachedEvidence {
  const { mediaType, bytes, annotations = {}, manifestAnnotations = {} } = attachment;
  const layer = { mediaType, digest: digestOf(bytes), size: bytes.length };
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      ...head,
      config: CONFIG,
      layers: [{ ...layer, annotations }],
      ...tail,
      annotations: manifestAnnotations,
    }),
  );
  const manifestDigest = digestOf(manifest);
  return {
    manifest,
    manifestDigest,
    blobs: new Map([
      [CONFIG.digest, EMPTY],
      [layer.digest, bytes],
    ]),
    item: {
      ...found,
      ...head,
      manifest: { mediaType: MANIFEST, digest: manifestDigest, size: manifest.length },
      blobs: [CONFIG, layer],
    },
    document: {
      ...found,
      ...head,
      manifest: manifestDigest,
      mediaType: MANIFEST,
      annotations: manifestAnnotations,
      layers: [{ mediaType, digest: layer.digest, bytes, annotations }],
    },
    tag: undefined,
  };
}
