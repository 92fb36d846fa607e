import { createHash } from 'node:crypto';

import { KernelError } from './coded-error.ts';

/** A sha256 content digest in OCI form, `sha256:` and 64 lower-case hex digits (OCI image-spec, descriptor.md "Digests"). */
export type Digest = `sha256:${string}` & { readonly brand: 'Digest' };

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** True when `text` is a sha256 digest in OCI form. */
export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** Reads a digest. @throws KernelError `DIGEST_INVALID` for another algorithm or form. */
export function parseDigest(text: string): Digest {
  if (!isDigest(text))
    throw new KernelError('DIGEST_INVALID', `not a sha256 digest: ${JSON.stringify(text.slice(0, 100))}`);
  return text;
}

/** The digest of `bytes`. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
}

/** The 64 hex digits of a digest. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

/** The digest made of 64 hex digits. @throws KernelError `DIGEST_INVALID`. */
export function digestFromHex(hex: string): Digest {
  return parseDigest(`sha256:${hex}`);
}
