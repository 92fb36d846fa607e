import type { Digest } from '../appliance/kernel/digest.ts';
import { formatImageReference, type ImageReference, repositoryName } from '../appliance/kernel/image-reference.ts';
import { limiter } from './concurrency.ts';
import { bareDescriptor, type Descriptor, formatPlatform } from './descriptor.ts';
import { type EvidenceImage, type EvidenceIndex, mergeEvidenceImages } from './evidence-index.ts';
import { describedManifest, findEvidence } from './find-evidence.ts';
import { MirrorError } from './mirror-error.ts';
import { type ImageIndex, type Manifest, parseManifest } from './oci-types.ts';
import type { FetchedManifest, RegistryClient, RepositoryClient } from './registry-port.ts';

/** Which images, and how much of them. */
export interface ClosureOptions {
  /** `os/architecture[/variant]` of the children of an index that are taken; all unless told. */
  readonly platforms?: readonly string[];
  /** Manifests looked at at the same time; 8 unless told. */
  readonly concurrency?: number;
  /** Told of each image that is complete. */
  readonly onImage?: (image: ResolvedImage) => void;
}

/** A reference and what it stands for. */
export interface ResolvedImage {
  readonly reference: ImageReference;
  readonly root: Descriptor;
}

/** Where a blob can be had. */
export interface PlannedBlob {
  readonly descriptor: Descriptor;
  readonly repository: RepositoryClient;
}

/** Everything that a set of images needs, evidence included: the manifests in hand, the blobs known by digest and size. */
export interface Closure {
  readonly images: readonly ResolvedImage[];
  readonly manifests: ReadonlyMap<Digest, FetchedManifest>;
  readonly blobs: ReadonlyMap<Digest, PlannedBlob>;
  readonly evidence: EvidenceIndex;
}

const MAX_MANIFESTS = 50_000;
const DEFAULT_CONCURRENCY = 8;
/** A signed SBOM of a signed SBOM …: deeper than anything made on purpose. */
const MAX_EVIDENCE_DEPTH = 6;

/**
 * Follows every reference to all that belongs to it: the index and its chosen children, their configs and layers, and
 * everything attached to any of those digests, recursively. What can't be fetched is an error.
 * @throws MirrorError `REGISTRY_NOT_FOUND`, `PLATFORM_MISSING`, `SIZE_CONFLICT`, `CLOSURE_TOO_LARGE` and the client's.
 */
export async function closureOf(
  client: RegistryClient,
  references: readonly ImageReference[],
  options: ClosureOptions = {},
): Promise<Closure> {
  const walk = new Walk(options);
  const images = await Promise.all(
    references.map(async (reference) => {
      const image = { reference, root: await walk.image(client.repository(reference), reference) };
      options.onImage?.(image);
      return image;
    }),
  );
  return {
    images,
    manifests: walk.manifests,
    blobs: walk.blobs,
    evidence: { schemaVersion: 1, images: Object.fromEntries(walk.known), tags: tagsOf(images) },
  };
}

function tagsOf(images: readonly ResolvedImage[]): Record<string, Digest> {
  return Object.fromEntries(
    images
      .filter(({ reference }) => reference.tag !== undefined)
      .map(({ reference, root }) => [`${repositoryName(reference)}:${reference.tag ?? ''}`, root.digest]),
  );
}

interface Visit {
  readonly repository: RepositoryClient;
  readonly fetched: FetchedManifest;
  /** How many pieces of evidence lead here from an image. */
  readonly depth: number;
}

class Walk {
  readonly manifests = new Map<Digest, FetchedManifest>();
  readonly blobs = new Map<Digest, PlannedBlob>();
  readonly known = new Map<Digest, EvidenceImage>();
  readonly #visited = new Set<string>();
  readonly #options: ClosureOptions;
  readonly #limited: ReturnType<typeof limiter>;

  constructor(options: ClosureOptions) {
    this.#options = options;
    this.#limited = limiter(options.concurrency ?? DEFAULT_CONCURRENCY);
  }

  async image(repository: RepositoryClient, reference: ImageReference): Promise<Descriptor> {
    const wanted = reference.digest ?? reference.tag ?? 'latest';
    const fetched = await this.#limited(async () => await repository.manifest(wanted));
    if (fetched === undefined) {
      throw new MirrorError('REGISTRY_NOT_FOUND', `${formatImageReference(reference)} is not in the registry`, {
        fix: 'check the reference, and the mirror map for its host',
      });
    }
    await this.#visit({ repository, fetched, depth: 0 });
    return bareDescriptor(fetched.descriptor);
  }

  async #visit({ repository, fetched, depth }: Visit): Promise<void> {
    const { digest, mediaType } = fetched.descriptor;
    const once = `${repository.name}@${digest}`;
    if (this.#visited.has(once)) return;
    this.#visited.add(once);
    this.#keep(fetched);
    const manifest = parseManifest(fetched.bytes, mediaType);
    const children = manifest.kind === 'index' ? this.#chosen(manifest, once) : [];
    if (manifest.kind === 'manifest') this.#planBlobs(repository, manifest);
    const [found] = await Promise.all([
      this.#limited(async () => await findEvidence(repository, digest)),
      Promise.all(children.map(async (child) => await this.#visitChild(repository, child, depth))),
    ]);
    if (depth === 0 || found.length > 0) {
      this.#note(digest, {
        mediaType,
        repositories: [repository.name],
        children: children.map((child) => child.digest),
        evidence: found.map(({ item }) => item),
      });
    }
    if (found.length > 0 && depth >= MAX_EVIDENCE_DEPTH) {
      throw new MirrorError('CLOSURE_TOO_LARGE', `${once}: evidence of evidence, more than ${MAX_EVIDENCE_DEPTH} deep`);
    }
    await Promise.all(
      found.map(async (each) => await this.#visit({ repository, fetched: each.fetched, depth: depth + 1 })),
    );
  }

  async #visitChild(repository: RepositoryClient, child: Descriptor, depth: number): Promise<void> {
    const fetched = await this.#limited(async () => await describedManifest(repository, child));
    await this.#visit({ repository, fetched, depth });
  }

  /** The children of an index that are carried: the platforms asked for, and what is for no platform (attestations). */
  #chosen(index: ImageIndex, what: string): readonly Descriptor[] {
    const { platforms } = this.#options;
    if (platforms === undefined) return index.manifests;
    const forPlatforms = index.manifests.filter(({ platform }) => platform !== undefined && platform.os !== 'unknown');
    const wanted = forPlatforms.filter(
      ({ platform }) =>
        platform !== undefined &&
        platforms.some(
          (name) => name === formatPlatform(platform) || name === `${platform.os}/${platform.architecture}`,
        ),
    );
    if (forPlatforms.length > 0 && wanted.length === 0) {
      throw new MirrorError('PLATFORM_MISSING', `${what} is not made for any of ${platforms.join(', ')}`);
    }
    return index.manifests.filter((child) => !forPlatforms.includes(child) || wanted.includes(child));
  }

  #planBlobs(repository: RepositoryClient, manifest: Extract<Manifest, { kind: 'manifest' }>): void {
    for (const descriptor of [manifest.config, ...manifest.layers]) {
      const planned = this.blobs.get(descriptor.digest);
      if (planned === undefined) {
        this.blobs.set(descriptor.digest, { descriptor: bareDescriptor(descriptor), repository });
      } else if (planned.descriptor.size !== descriptor.size) {
        const sizes = `${planned.descriptor.size} and ${descriptor.size} bytes`;
        throw new MirrorError('SIZE_CONFLICT', `${descriptor.digest} is announced with ${sizes}`);
      }
    }
  }

  #keep(fetched: FetchedManifest): void {
    this.manifests.set(fetched.descriptor.digest, fetched);
    if (this.manifests.size > MAX_MANIFESTS) {
      throw new MirrorError('CLOSURE_TOO_LARGE', `more than ${MAX_MANIFESTS} manifests`);
    }
  }

  #note(digest: Digest, image: EvidenceImage): void {
    const known = this.known.get(digest);
    this.known.set(digest, known === undefined ? image : mergeEvidenceImages(known, image));
  }
}
