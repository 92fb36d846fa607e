import type { Digest } from '../appliance/kernel/digest.ts';
import { formatImageReference, parseImageReference } from '../appliance/kernel/image-reference.ts';
import { canonicalJson, type JsonValue } from '../appliance/kernel/json.ts';
import { bareDescriptor, type Descriptor } from './descriptor.ts';
import type { EvidenceIndex } from './evidence-index.ts';
import { evidenceTag } from './find-evidence.ts';
import { MEDIA } from './oci-types.ts';

/** The content of `oci-layout` (OCI image-spec, image-layout.md). */
export const OCI_LAYOUT = Buffer.from('{"imageLayoutVersion":"1.0.0"}');

const REF_NAME = 'org.opencontainers.image.ref.name';
const CONTAINERD_NAME = 'io.containerd.image.name';

/** Images under the references that they go by, with the digest. */
export interface NamedImage {
  readonly reference: string;
  readonly descriptor: Descriptor;
}

/**
 * The content of `index.json`: every image under its full reference, tag-scheme evidence under the tag it has in its
 * repository, and referrers without a name. skopeo, containerd and regctl find images by these names.
 */
export function layoutIndex(images: readonly NamedImage[], evidence: EvidenceIndex): Buffer {
  const named = new Map<string, Descriptor>();
  for (const { reference, descriptor } of images) {
    const { digest, tag, ...name } = parseImageReference(reference);
    const text = formatImageReference(tag === undefined ? { ...name, ...(digest && { digest }) } : { ...name, tag });
    named.set(text, { ...bareDescriptor(descriptor), annotations: { [REF_NAME]: text, [CONTAINERD_NAME]: text } });
  }
  for (const [subject, image] of Object.entries(evidence.images)) {
    for (const { manifest, suffix } of image.evidence) {
      if (suffix === undefined) {
        named.set(manifest.digest, bareDescriptor(manifest));
        continue;
      }
      for (const repository of image.repositories) {
        const name = `${repository}:${evidenceTag(subject as Digest, suffix)}`;
        named.set(name, { ...bareDescriptor(manifest), annotations: { [REF_NAME]: name } });
      }
    }
  }
  const manifests = [...named].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, descriptor]) => descriptor);
  const index = { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests };
  return Buffer.from(canonicalJson(index as unknown as JsonValue));
}
