import { z } from 'zod';

import { describeError } from '../appliance/kernel/coded-error.ts';
import { parseJson } from '../appliance/kernel/json.ts';
import { annotationsSchema, type Descriptor, descriptorSchema, mediaTypeSchema } from './descriptor.ts';
import { MirrorError } from './mirror-error.ts';

/** Media types that Sealift acts on. Everything else is carried as it is. */
export const MEDIA = {
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociEmpty: 'application/vnd.oci.empty.v1+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerList: 'application/vnd.docker.distribution.manifest.list.v2+json',
  sigstoreBundle: 'application/vnd.dev.sigstore.bundle.v0.3+json',
  dsseEnvelope: 'application/vnd.dsse.envelope.v1+json',
  simpleSigning: 'application/vnd.dev.cosign.simplesigning.v1+json',
} as const;

/** Largest manifest taken: registries must take 4 MiB (OCI distribution-spec, "Pushing Manifests"), ours takes no more. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
/** Most layers of one image manifest, and most entries of one index. */
export const MAX_MANIFEST_ENTRIES = 2048;

const manifestSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: mediaTypeSchema.exactOptional(),
  artifactType: z.string().exactOptional(),
  config: descriptorSchema,
  layers: z.array(descriptorSchema).max(MAX_MANIFEST_ENTRIES),
  subject: descriptorSchema.exactOptional(),
  annotations: annotationsSchema.exactOptional(),
});

const indexSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: mediaTypeSchema.exactOptional(),
  artifactType: z.string().exactOptional(),
  manifests: z.array(descriptorSchema).max(MAX_MANIFEST_ENTRIES),
  subject: descriptorSchema.exactOptional(),
  annotations: annotationsSchema.exactOptional(),
});

/** One image or artifact: a config and layers (OCI image manifest or Docker v2 schema 2). */
export interface ImageManifest extends z.infer<typeof manifestSchema> {
  readonly kind: 'manifest';
}

/** A list of manifests, mostly one a platform (OCI image index or Docker manifest list). */
export interface ImageIndex extends z.infer<typeof indexSchema> {
  readonly kind: 'index';
}

export type Manifest = ImageManifest | ImageIndex;

/** True for media types whose content is a manifest or an index. */
export function isManifestType(mediaType: string): boolean {
  return isIndexType(mediaType) || mediaType === MEDIA.ociManifest || mediaType === MEDIA.dockerManifest;
}

/** True for the media types of an index. */
export function isIndexType(mediaType: string): boolean {
  return mediaType === MEDIA.ociIndex || mediaType === MEDIA.dockerList;
}

/**
 * Reads a manifest or index of the media type that it was served or described with.
 * @throws MirrorError `MANIFEST_INVALID` also when the document names another type inside, or could be read as both
 *   kinds (CVE-2021-41190: the same bytes as an index for one client and a manifest for another).
 */
export function parseManifest(bytes: Uint8Array, mediaType: string): Manifest {
  const json = manifestJson(bytes);
  const isIndex = isIndexType(mediaType);
  if (!isIndex && !isManifestType(mediaType)) throw invalid(`${mediaType} is not a manifest's media type`);
  const foreign = isIndex ? ['config', 'layers'] : ['manifests'];
  const both = foreign.find((field) => Object.hasOwn(json, field));
  if (both !== undefined) throw invalid(`has the field ${both}, which ${mediaType} does not have`);
  const parsed = isIndex ? parseAs(indexSchema, json, 'index') : parseAs(manifestSchema, json, 'manifest');
  if (parsed.mediaType !== undefined && parsed.mediaType !== mediaType) {
    throw invalid(`calls itself ${parsed.mediaType} but is served as ${mediaType}`);
  }
  return parsed;
}

/** What kind of manifest the bytes are by their own `mediaType`, or, when that is left out, by their fields. */
export function mediaTypeOfManifest(bytes: Uint8Array): string {
  const json = manifestJson(bytes);
  if ('mediaType' in json && typeof json.mediaType === 'string') return json.mediaType;
  return Object.hasOwn(json, 'manifests') ? MEDIA.ociIndex : MEDIA.ociManifest;
}

/** Everything that a manifest points to and that must exist beside it: config and layers, or child manifests. */
export function contentOf(manifest: Manifest): readonly Descriptor[] {
  return manifest.kind === 'index' ? manifest.manifests : [manifest.config, ...manifest.layers];
}

/** The artifact type that a referrers list shows for a manifest (OCI image-spec, manifest.md "artifactType"). */
export function artifactTypeOf(manifest: Manifest): string | undefined {
  if (manifest.artifactType !== undefined && manifest.artifactType !== '') return manifest.artifactType;
  return manifest.kind === 'manifest' ? manifest.config.mediaType : undefined;
}

function manifestJson(bytes: Uint8Array): object {
  let json: unknown;
  try {
    json = parseJson(bytes, 'manifest', { maxBytes: MAX_MANIFEST_BYTES, maxDepth: 32 });
  } catch (cause) {
    throw invalid(describeError(cause), cause);
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw invalid('not a JSON object');
  return json;
}

function parseAs<Schema extends z.ZodType<object>, Kind extends string>(schema: Schema, json: object, kind: Kind) {
  const result = schema.safeParse(json);
  if (!result.success) throw invalid(z.prettifyError(result.error), result.error);
  return { kind, ...result.data };
}

function invalid(message: string, cause?: unknown): MirrorError {
  return new MirrorError('MANIFEST_INVALID', `manifest: ${message}`, { cause });
}
