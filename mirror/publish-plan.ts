import type { Digest } from '../appliance/kernel/digest.ts';
import type { Descriptor } from './descriptor.ts';
import type { EvidenceImage, EvidenceIndex, EvidenceItem } from './evidence-index.ts';
import { evidenceTag } from './find-evidence.ts';
import { artifactTypeOf, contentOf, type Manifest } from './oci-types.ts';

/** A manifest that is to be stored in a repository. */
export interface PlannedManifest {
  readonly repository: string;
  readonly descriptor: Descriptor;
}

/** A tag that is to be set. */
export interface PlannedTag extends PlannedManifest {
  readonly tag: string;
}

/** What a digest's referrers are to be listed as, for registries without the referrers API. */
export interface PlannedReferrers {
  readonly repository: string;
  readonly subject: Digest;
  readonly referrers: readonly Descriptor[];
}

/** What publishing does, in its order: each stage needs the ones before it. */
export interface PublishPlan {
  /** Each blob with the repositories that need it. */
  readonly blobs: ReadonlyMap<Digest, { readonly descriptor: Descriptor; readonly repositories: ReadonlySet<string> }>;
  readonly images: readonly PlannedManifest[];
  /** Rounds of indexes: those that hold other indexes come after them. */
  readonly indexes: readonly (readonly PlannedManifest[])[];
  readonly evidence: readonly PlannedManifest[];
  readonly referrers: readonly PlannedReferrers[];
  readonly evidenceTags: readonly PlannedTag[];
  readonly imageTags: readonly PlannedTag[];
}

/** Gives the manifest of a digest that the evidence index names. */
export type ReadManifest = (
  descriptor: Pick<Descriptor, 'digest' | 'mediaType'>,
) => Promise<Manifest & { bytes: number }>;

/** Works out what must be stored where, so that nothing is visible before all that belongs to it. */
export async function publishPlan(evidence: EvidenceIndex, read: ReadManifest): Promise<PublishPlan> {
  const planner = new Planner(read);
  for (const [digest, image] of Object.entries(evidence.images)) {
    for (const repository of image.repositories) await planner.image(repository, digest as Digest, image);
  }
  for (const [name, digest] of Object.entries(evidence.tags)) {
    const colon = name.lastIndexOf(':');
    const image = evidence.images[digest];
    if (image !== undefined) {
      await planner.imageTag(name.slice(0, colon), name.slice(colon + 1), { digest, mediaType: image.mediaType });
    }
  }
  return { ...planner.plan, indexes: inRounds(planner.indexes) };
}

interface PlannedIndex extends PlannedManifest {
  readonly children: readonly Digest[];
}

/** Puts indexes into rounds, each of which needs only the ones before it. */
function inRounds(indexes: readonly PlannedIndex[]): PlannedIndex[][] {
  const rounds: PlannedIndex[][] = [];
  let left = indexes;
  while (left.length > 0) {
    const waiting = new Set(left.map(({ repository, descriptor }) => `${repository}@${descriptor.digest}`));
    const ready = left.filter(
      ({ repository, children }) => !children.some((child) => waiting.has(`${repository}@${child}`)),
    );
    // A digest can't be part of what it is the digest of: there is always one that waits for none.
    if (ready.length === 0) return [...rounds, [...left]];
    rounds.push(ready);
    left = left.filter((index) => !ready.includes(index));
  }
  return rounds;
}

class Planner {
  readonly blobs = new Map<Digest, { descriptor: Descriptor; repositories: Set<string> }>();
  readonly images: PlannedManifest[] = [];
  readonly indexes: PlannedIndex[] = [];
  readonly evidence: PlannedManifest[] = [];
  readonly referrers: PlannedReferrers[] = [];
  readonly evidenceTags: PlannedTag[] = [];
  readonly imageTags: PlannedTag[] = [];
  readonly #read: ReadManifest;

  constructor(read: ReadManifest) {
    this.#read = read;
  }

  get plan(): Omit<PublishPlan, 'indexes'> {
    const { blobs, images, evidence, referrers, evidenceTags, imageTags } = this;
    return { blobs, images, evidence, referrers, evidenceTags, imageTags };
  }

  async image(repository: string, digest: Digest, { mediaType, children, evidence }: EvidenceImage): Promise<void> {
    const manifest = await this.#read({ digest, mediaType });
    const planned = { repository, descriptor: { mediaType, digest, size: manifest.bytes } };
    if (manifest.kind === 'index') this.indexes.push({ ...planned, children });
    else this.images.push(planned);
    this.#needBlobs(repository, manifest);
    const referring: Descriptor[] = [];
    for (const item of evidence) {
      const { manifest: descriptor } = item;
      const attached = await this.#read(descriptor);
      this.evidence.push({ repository, descriptor });
      this.#needBlobs(repository, attached);
      if (item.suffix === undefined) referring.push(listed(descriptor, attached));
      else this.#tagEvidence(repository, digest, item);
    }
    if (referring.length > 0) this.referrers.push({ repository, subject: digest, referrers: referring });
  }

  async imageTag(repository: string, tag: string, root: Pick<Descriptor, 'digest' | 'mediaType'>): Promise<void> {
    const { bytes } = await this.#read(root);
    this.imageTags.push({ repository, tag, descriptor: { ...root, size: bytes } });
  }

  #tagEvidence(repository: string, subject: Digest, { suffix, manifest }: EvidenceItem): void {
    if (suffix !== undefined) {
      this.evidenceTags.push({ repository, descriptor: manifest, tag: evidenceTag(subject, suffix) });
    }
  }

  #needBlobs(repository: string, manifest: Manifest): void {
    if (manifest.kind === 'index') return;
    for (const descriptor of contentOf(manifest)) {
      const known = this.blobs.get(descriptor.digest);
      if (known === undefined) this.blobs.set(descriptor.digest, { descriptor, repositories: new Set([repository]) });
      else known.repositories.add(repository);
    }
  }
}

/** A referrer as lists of referrers show it (OCI distribution-spec "Listing Referrers"). */
function listed({ mediaType, digest, size }: Descriptor, manifest: Manifest): Descriptor {
  const artifactType = artifactTypeOf(manifest);
  return {
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(manifest.annotations === undefined ? {} : { annotations: manifest.annotations }),
  };
}
