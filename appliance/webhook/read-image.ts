import { formatImageReference, type ImageReference, parseImageReference } from '../kernel/image-reference.ts';

/**
 * An image as a workload names it, its host in lower case: names of hosts are the same in any case, globs of policies are
 * not, and `GHCR.IO/…` must not slip past a policy about `ghcr.io/…`.
 * @throws KernelError `REFERENCE_INVALID`.
 */
export function readImage(text: string): ImageReference {
  const reference = parseImageReference(text);
  const host = reference.host.toLowerCase();
  // Read again: only then is a spelling of Docker Hub's old name taken for what it is.
  return host === reference.host ? reference : parseImageReference(formatImageReference({ ...reference, host }));
}
