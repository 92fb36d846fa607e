import { describeError } from '../appliance/kernel/coded-error.ts';
import type { Digest } from '../appliance/kernel/digest.ts';
import { formatImageReference, type ImageReference } from '../appliance/kernel/image-reference.ts';
import type { Log } from '../appliance/kernel/log.ts';
import { closureOf } from '../mirror/closure.ts';
import { formatPlatform } from '../mirror/descriptor.ts';
import { EMPTY_EVIDENCE_INDEX, type EvidenceIndex, mergeEvidenceIndexes } from '../mirror/evidence-index.ts';
import { isIndexType, parseManifest } from '../mirror/oci-types.ts';
import type { RegistryClient, RepositoryClient } from '../mirror/registry-port.ts';
import { withoutMissingBlobs } from './present-evidence.ts';
import { repositoryRoots } from './repository-roots.ts';
import { type ImageName, nameOfRepository } from './site-names.ts';

/** What the site's registry is read with. */
export interface SiteScanOptions {
  /** Leads every original name to the site's registry. */
  readonly registry: RegistryClient;
  /** The paths of all repositories there. */
  readonly catalog: () => Promise<readonly string[]>;
  readonly log: Log;
}

/** Every so many scans all is read anew: a blob that was deleted moves no tag, and no new node can be given it. */
export const FULL_SCAN_EVERY = 45;

interface Known {
  readonly digest: Digest;
  readonly index: EvidenceIndex;
}

interface KnownRepository {
  readonly fingerprint: string;
  readonly hasReferrersApi: boolean;
  readonly images: ReadonlyMap<string, Known>;
}

/**
 * Reads what images and evidence the site's registry holds. What one image's owner breaks stays that image's trouble: an
 * image that can't be read whole is left as it was known last, or out, which is "unknown", never "has no evidence".
 */
export class SiteScan {
  readonly #options: SiteScanOptions;
  #scans = 0;
  #known = new Map<string, KnownRepository>();

  constructor(options: SiteScanOptions) {
    this.#options = options;
  }

  /** The evidence index of all that is there now. @throws MirrorError when the registry can't be asked. */
  async scan(): Promise<EvidenceIndex> {
    const known = new Map<string, KnownRepository>();
    this.#scans += 1;
    let index = EMPTY_EVIDENCE_INDEX;
    for (const path of await this.#options.catalog()) {
      const name = nameOfRepository(path);
      if (name === undefined) continue;
      const repository = await this.#repository(path, name);
      if (repository === undefined) continue;
      known.set(path, repository);
      for (const image of repository.images.values()) index = mergeEvidenceIndexes(index, image.index);
    }
    this.#known = known;
    return index;
  }

  async #repository(path: string, name: ImageName): Promise<KnownRepository | undefined> {
    const client = this.#options.registry.repository(name);
    const before = this.#known.get(path);
    const roots = await repositoryRoots(client).catch((error: unknown) => {
      this.#options.log.warn('a repository could not be listed', { repository: path, error: describeError(error) });
      return undefined;
    });
    if (roots === undefined) return before;
    // With a referrers API evidence comes without any tag; without it, a tag moves with all that is attached.
    const isDue = this.#scans % FULL_SCAN_EVERY === 0;
    if (before?.fingerprint === roots.fingerprint && !before.hasReferrersApi && !isDue) return before;
    const images = new Map<string, Known>();
    const wanted = [
      ...[...roots.tags].map(([tag, digest]) => ({ ...name, tag, digest })),
      ...roots.untagged.map((digest) => ({ ...name, digest })),
    ];
    for (const reference of wanted) {
      const image = await this.#image(client, reference, before);
      if (image !== undefined) images.set(keyOf(reference), image);
    }
    const [first] = images.values();
    const hasReferrersApi = first !== undefined && (await client.referrers(first.digest)) !== undefined;
    return { fingerprint: roots.fingerprint, hasReferrersApi, images };
  }

  async #image(
    client: RepositoryClient,
    reference: ImageReference & { readonly digest: Digest },
    before: KnownRepository | undefined,
  ): Promise<Known | undefined> {
    const { digest } = reference;
    try {
      const { evidence } = await this.#closure(client, reference);
      return { digest, index: await withoutMissingBlobs(client, evidence) };
    } catch (error) {
      const last = before?.images.get(keyOf(reference));
      const kept = last?.digest === digest ? last : undefined;
      const what = { image: formatImageReference(reference), error: describeError(error), kept: kept !== undefined };
      this.#options.log.warn('an image could not be read whole', what);
      return kept === undefined ? undefined : await stillThere(client, kept);
    }
  }

  async #closure(client: RepositoryClient, reference: ImageReference & { readonly digest: Digest }) {
    const { registry } = this.#options;
    try {
      return await closureOf(registry, [reference]);
    } catch (error) {
      const platforms = await platformsThere(client, reference.digest);
      if (platforms === undefined) throw error;
      return await closureOf(registry, [reference], { platforms });
    }
  }
}

/**
 * What was known last, without evidence that has gone since: nodes take a state only with all that it names. Where the
 * registry does not answer it stays as it is.
 */
async function stillThere(client: RepositoryClient, known: Known): Promise<Known> {
  try {
    return { ...known, index: await withoutMissingBlobs(client, known.index, { manifestsToo: true }) };
  } catch {
    return known;
  }
}

/** The platforms of an index whose manifests are there, when some are not: a site may hold only its own. */
async function platformsThere(client: RepositoryClient, digest: Digest): Promise<string[] | undefined> {
  const fetched = await client.manifest(digest);
  if (fetched === undefined || !isIndexType(fetched.descriptor.mediaType)) return undefined;
  const index = parseManifest(fetched.bytes, fetched.descriptor.mediaType);
  if (index.kind !== 'index') return undefined;
  const there: string[] = [];
  for (const child of index.manifests) {
    if (child.platform !== undefined && (await client.hasManifest(child.digest))) {
      there.push(formatPlatform(child.platform));
    }
  }
  return there.length === 0 || there.length === index.manifests.length ? undefined : there;
}

function keyOf(reference: ImageReference): string {
  return reference.tag ?? reference.digest ?? '';
}
