import type { Digest } from '../kernel/digest.ts';
import { formatImageReference, type ImageReference } from '../kernel/image-reference.ts';
import type { PatchOperation } from './admission-review.ts';

/**
 * The reference as it is written into a Pod: host, repository, tag and digest. The kubelet and containerd fetch by the
 * digest and drop the tag (distribution's ParseDockerRef); it stays for people and for tools that show it.
 */
export function pinnedText(reference: ImageReference, digest: Digest): string {
  return formatImageReference({ ...reference, digest });
}

/**
 * Writes `digest` where `pointer` holds an image without one. Nothing for one that has a digest already: that is what
 * gets verified and fetched.
 */
export function pinOperation(pointer: string, reference: ImageReference, digest: Digest): PatchOperation | undefined {
  if (reference.digest !== undefined) return undefined;
  return { op: 'replace', path: pointer, value: pinnedText(reference, digest) };
}
