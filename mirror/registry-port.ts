import type { Digest } from '../appliance/kernel/digest.ts';
import type { Descriptor } from './descriptor.ts';
import type { RepositoryEndpoint } from './mirror-map.ts';

/** Gives the bytes of a blob from `start` (inclusive) to `end` (exclusive); asked again when a piece is sent again. */
export type UploadSource = (start: number, end: number) => AsyncIterable<Uint8Array>;

/** A manifest as a registry served it: the bytes verbatim, their digest computed here. */
export interface FetchedManifest {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
}

/** One repository of a registry (OCI distribution-spec v1.1). */
export interface RepositoryClient {
  /** The name that it goes by in image references, `host/repository`. */
  readonly name: string;
  /** Where it is: repositories of one origin can take blobs over from each other. */
  readonly endpoint: RepositoryEndpoint;
  /**
   * The manifest of a tag or a digest; undefined when there is none.
   * Content that does not match the digest is an error: `REGISTRY_PROTOCOL`.
   */
  manifest(reference: string): Promise<FetchedManifest | undefined>;
  /** True when the manifest is there: a HEAD only. */
  hasManifest(reference: string): Promise<boolean>;
  /** The digest that a tag or digest has there, or undefined: a HEAD where the registry tells it. */
  digestOf(reference: string): Promise<Digest | undefined>;
  /**
   * Stores a manifest under its digest or a tag.
   * @returns whether the registry lists it as a referrer of its `subject` by itself (`OCI-Subject`).
   */
  putManifest(reference: string, manifest: FetchedManifest): Promise<{ listsReferrers: boolean }>;
  /** The size of a blob that is there, else undefined. */
  blobSize(digest: Digest): Promise<number | undefined>;
  /**
   * The bytes of a blob as they come, resumed after a broken connection; checked against size and digest at the end.
   * @throws MirrorError `BLOB_CORRUPT` after the last chunk for other content, `REGISTRY_NOT_FOUND`.
   */
  readBlob(blob: Descriptor): AsyncIterable<Uint8Array>;
  /** Stores a blob. */
  putBlob(blob: Descriptor, source: UploadSource): Promise<void>;
  /** Takes a blob over from another repository of the same registry; false when that is not done. */
  mountBlob(digest: Digest, from: RepositoryEndpoint): Promise<boolean>;
  /** What the referrers API lists for a digest; undefined where the registry has no such API. */
  referrers(subject: Digest): Promise<readonly Descriptor[] | undefined>;
  /** All tags; none for a repository that is not there. */
  tags(): Promise<readonly string[]>;
  /** Removes a manifest; nothing happens when there is none. */
  deleteManifest(digest: Digest): Promise<void>;
}

/** Registries, reached by the names in image references. */
export interface RegistryClient {
  repository(name: { host: string; repository: string }): RepositoryClient;
  /** Closes its connections. */
  close(): Promise<void>;
}
