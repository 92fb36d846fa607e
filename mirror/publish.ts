import type { Digest } from '../appliance/kernel/digest.ts';
import { parseImageReference } from '../appliance/kernel/image-reference.ts';
import { forEachLimited } from './concurrency.ts';
import type { ByteProgress } from './create-bundle.ts';
import type { Descriptor } from './descriptor.ts';
import { mergedEvidence } from './evidence-tag.ts';
import { listInFallbackTag } from './fallback-tags.ts';
import { MirrorError } from './mirror-error.ts';
import { isIndexType, MAX_MANIFEST_BYTES, parseManifest } from './oci-types.ts';
import type { BundleReader } from './open-bundle.ts';
import { type PlannedManifest, type PlannedReferrers, type PlannedTag, publishPlan } from './publish-plan.ts';
import type { RegistryClient, RepositoryClient } from './registry-port.ts';

/** How a bundle is published. */
export interface PublishOptions {
  /** Transfers at the same time; 6 unless told. */
  readonly concurrency?: number;
  readonly onProgress?: (progress: ByteProgress) => void;
}

/** What publishing had to do. All but `present` is 0 when everything was there. */
export interface Published {
  sentBlobs: number;
  sentBytes: number;
  mountedBlobs: number;
  /** Blobs, manifests and tags that were there already, each in its repository. */
  present: number;
  sentManifests: number;
  setTags: number;
}

const DEFAULT_CONCURRENCY = 6;

/**
 * Puts all images of a bundle, with their evidence, into a registry: blobs, children, indexes, evidence, the lists of
 * referrers, tags of evidence, and the images' own tags last, so that no tag ever shows an image without its evidence.
 * What is there already costs a HEAD. Repositories keep their names; the client's mirror map says where they lie
 * (`{'*': 'https://registry.site'}` puts `ghcr.io/a/b` at `registry.site/ghcr.io/a/b`).
 *
 * The bundle must have been verified (`verifyBundle`).
 * @throws MirrorError the client's, and the reader's.
 */
export async function publishBundle(
  reader: BundleReader,
  client: RegistryClient,
  { concurrency = DEFAULT_CONCURRENCY, onProgress }: PublishOptions = {},
): Promise<Published> {
  const publishing = new Publishing(reader, client);
  const plan = await publishPlan(reader.inventory.evidence, async (descriptor) => {
    const bytes = await reader.readBlob(descriptor.digest, { maxBytes: MAX_MANIFEST_BYTES });
    return { ...parseManifest(bytes, descriptor.mediaType), bytes: bytes.byteLength };
  });
  const totalBytes = [...plan.blobs.values()].reduce((total, { descriptor }) => total + descriptor.size, 0);
  let doneBytes = 0;
  onProgress?.({ doneBytes, totalBytes });
  const bySize = [...plan.blobs.values()].sort((a, b) => b.descriptor.size - a.descriptor.size);
  await forEachLimited(bySize, concurrency, async ({ descriptor, repositories }) => {
    await publishing.blob(descriptor, [...repositories]);
    doneBytes += descriptor.size;
    onProgress?.({ doneBytes, totalBytes });
  });
  // An index is refused before its children are there, and evidence that is an index before its own.
  for (const stage of [plan.images, withoutIndexes(plan.evidence), ...plan.indexes, plan.evidence]) {
    await forEachLimited(stage, concurrency, async (planned) => await publishing.manifest(planned));
  }
  await forEachLimited(plan.referrers, concurrency, async (planned) => await publishing.referrers(planned));
  await forEachLimited(plan.evidenceTags, concurrency, async (planned) => await publishing.evidenceTag(planned));
  await forEachLimited(plan.imageTags, concurrency, async (planned) => await publishing.tag(planned));
  return publishing.done;
}

function withoutIndexes(planned: readonly PlannedManifest[]): PlannedManifest[] {
  return planned.filter(({ descriptor }) => !isIndexType(descriptor.mediaType));
}

/** Registries refuse an index of which not every platform is there, unless they are told to take it. */
function indexRefused(what: string, cause: unknown): unknown {
  const status = cause instanceof MirrorError ? cause.http?.status : undefined;
  if (status !== 400 && status !== 404) return cause;
  return new MirrorError('REGISTRY_STATUS', `the registry refuses the index ${what}`, {
    cause,
    fix: 'carry all platforms, or set validation.manifests.indexes.platforms to none in the registry (distribution v3)',
  });
}

class Publishing {
  readonly done: Published = {
    sentBlobs: 0,
    sentBytes: 0,
    mountedBlobs: 0,
    present: 0,
    sentManifests: 0,
    setTags: 0,
  };
  readonly #reader: BundleReader;
  readonly #client: RegistryClient;
  readonly #repositories = new Map<string, RepositoryClient>();
  readonly #stored = new Set<string>();

  constructor(reader: BundleReader, client: RegistryClient) {
    this.#reader = reader;
    this.#client = client;
  }

  /** Sends a blob once; the other repositories that need it take it over from the first. */
  async blob(descriptor: Descriptor, repositories: readonly string[]): Promise<void> {
    let holder: RepositoryClient | undefined;
    const lacking: RepositoryClient[] = [];
    for (const name of repositories) {
      const repository = this.#repository(name);
      if ((await repository.blobSize(descriptor.digest)) === undefined) lacking.push(repository);
      else {
        holder ??= repository;
        this.done.present += 1;
      }
    }
    for (const repository of lacking) {
      if (holder !== undefined && (await repository.mountBlob(descriptor.digest, holder.endpoint))) {
        this.done.mountedBlobs += 1;
        continue;
      }
      await repository.putBlob(descriptor, (start, end) => this.#reader.streamBlob(descriptor.digest, start, end));
      holder ??= repository;
      this.done.sentBlobs += 1;
      this.done.sentBytes += descriptor.size;
    }
  }

  async manifest({ repository: name, descriptor }: PlannedManifest): Promise<void> {
    const once = `${name}@${descriptor.digest}`;
    if (this.#stored.has(once)) return;
    this.#stored.add(once);
    const repository = this.#repository(name);
    if (await repository.hasManifest(descriptor.digest)) {
      this.done.present += 1;
      return;
    }
    const bytes = await this.#bytes(descriptor);
    await repository.putManifest(descriptor.digest, { descriptor, bytes }).catch((cause: unknown) => {
      throw isIndexType(descriptor.mediaType) ? indexRefused(once, cause) : cause;
    });
    this.done.sentManifests += 1;
  }

  /** Lists referrers under the fallback tag where the registry does not list them by itself. */
  async referrers({ repository: name, subject, referrers }: PlannedReferrers): Promise<void> {
    const repository = this.#repository(name);
    const listed = await repository.referrers(subject);
    const missing = referrers.filter(({ digest }) => listed?.some((each) => each.digest === digest) !== true);
    if (missing.length === 0 || !(await listInFallbackTag(repository, subject, missing))) this.done.present += 1;
    else this.done.setTags += 1;
  }

  /** Sets a tag of the tag scheme. What the site has attached itself stays. */
  async evidenceTag(planned: PlannedTag): Promise<void> {
    const { repository: name, tag, descriptor } = planned;
    const repository = this.#repository(name);
    const digest = await repository.digestOf(tag);
    const present = digest === undefined || digest === descriptor.digest ? undefined : await repository.manifest(tag);
    if (present === undefined) {
      await this.tag(planned);
      return;
    }
    const merged = mergedEvidence(present, { descriptor, bytes: await this.#bytes(descriptor) });
    if (merged === undefined) this.done.present += 1;
    else {
      await repository.putManifest(tag, merged);
      this.done.setTags += 1;
    }
  }

  async tag({ repository: name, tag, descriptor }: PlannedTag): Promise<void> {
    const repository = this.#repository(name);
    if ((await repository.digestOf(tag)) === descriptor.digest) {
      this.done.present += 1;
      return;
    }
    await repository.putManifest(tag, { descriptor, bytes: await this.#bytes(descriptor) });
    this.done.setTags += 1;
  }

  async #bytes({ digest }: { digest: Digest }): Promise<Buffer> {
    return await this.#reader.readBlob(digest, { maxBytes: MAX_MANIFEST_BYTES });
  }

  #repository(name: string): RepositoryClient {
    const known = this.#repositories.get(name) ?? this.#client.repository(parseImageReference(name));
    this.#repositories.set(name, known);
    return known;
  }
}
