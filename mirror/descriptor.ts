import { z } from 'zod';

import { type Digest, isDigest } from '../appliance/kernel/digest.ts';

/** Largest blob that a descriptor may announce: 1 TiB. */
export const MAX_BLOB_BYTES = 2 ** 40;

/** A sha256 digest. Other algorithms are refused: nothing in Sealift can check them. */
export const digestSchema = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value), {
  error: 'expected sha256: and 64 lower-case hex digits',
});

// RFC 6838 §4.2: 127 characters for type and for subtype.
const MEDIA_TYPE = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;

/** A media type without parameters. */
export const mediaTypeSchema = z.string().regex(MEDIA_TYPE, 'expected a media type such as application/json');

/** String to string, as in OCI annotations. */
export const annotationsSchema = z.record(z.string(), z.string());

/** The operating system and processor that an image is for (OCI image-index `platform`). */
export const platformSchema = z.object({
  os: z.string().min(1),
  architecture: z.string().min(1),
  variant: z.string().exactOptional(),
  'os.version': z.string().exactOptional(),
});

/** What a piece of content is called by: type, digest and size (OCI image-spec, descriptor.md). Unknown fields are left out. */
export const descriptorSchema = z.object({
  mediaType: mediaTypeSchema,
  digest: digestSchema,
  size: z.int().min(0).max(MAX_BLOB_BYTES),
  artifactType: z.string().exactOptional(),
  annotations: annotationsSchema.exactOptional(),
  platform: platformSchema.exactOptional(),
});

export type Descriptor = z.infer<typeof descriptorSchema>;
export type Platform = z.infer<typeof platformSchema>;

/** Type, digest and size alone: the form that an index or an inventory keeps. */
export function bareDescriptor({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}

/** `os/architecture` or `os/architecture/variant`, as on command lines. */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return variant === undefined || variant === '' ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}
