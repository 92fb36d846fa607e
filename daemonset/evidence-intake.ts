import { describeError } from '../appliance/kernel/coded-error.ts';
import type { Digest } from '../appliance/kernel/digest.ts';
import type { BlobStore } from '../mirror/blob-store.ts';
import { forEachLimited } from '../mirror/concurrency.ts';
import type { Descriptor } from '../mirror/descriptor.ts';
import type { EvidenceIndex } from '../mirror/evidence-index.ts';
import { MAX_MANIFEST_BYTES } from '../mirror/oci-types.ts';
import type { RegistryClient, RepositoryClient } from '../mirror/registry-port.ts';
import { DaemonsetError } from './daemonset-error.ts';
import { isDiskFull } from './host-files.ts';
import { splitName } from './site-names.ts';

/** One blob of evidence that a node must hold, and the repositories that it can be had from. */
export interface WantedBlob {
  readonly descriptor: Descriptor;
  readonly isManifest: boolean;
  readonly repositories: readonly string[];
}

/** Where evidence comes from and where it goes. */
export interface EvidenceIntake {
  readonly store: BlobStore;
  readonly registry: RegistryClient;
  readonly limits?: Partial<EvidenceIntakeLimits>;
}

/** Most that a node takes. */
export interface EvidenceIntakeLimits {
  /** Larger blobs are not taken: no verifier reads them. */
  readonly blobBytes: number;
  /** All evidence together. */
  readonly totalBytes: number;
}

const DEFAULT_LIMITS: EvidenceIntakeLimits = { blobBytes: 32 * 1024 * 1024, totalBytes: 4 * 1024 * 1024 * 1024 };
const CONCURRENCY = 4;

/**
 * Every blob that an index names as evidence: manifests, and their configs and layers up to the size limit.
 * @throws DaemonsetError `EVIDENCE_TOO_LARGE` when all of it would not fit.
 */
export function evidenceBlobs(index: EvidenceIndex, limits: Partial<EvidenceIntakeLimits> = {}): WantedBlob[] {
  const { blobBytes, totalBytes } = { ...DEFAULT_LIMITS, ...limits };
  const wanted = new Map<Digest, WantedBlob>();
  for (const { repositories, evidence } of Object.values(index.images)) {
    for (const { manifest, blobs } of evidence) {
      if (manifest.size <= MAX_MANIFEST_BYTES) {
        wanted.set(manifest.digest, { descriptor: manifest, isManifest: true, repositories });
      }
      for (const descriptor of blobs) {
        if (descriptor.size > blobBytes || wanted.has(descriptor.digest)) continue;
        wanted.set(descriptor.digest, { descriptor, isManifest: false, repositories });
      }
    }
  }
  const total = [...wanted.values()].reduce((sum, { descriptor }) => sum + descriptor.size, 0);
  if (total <= totalBytes) return [...wanted.values()];
  throw new DaemonsetError('EVIDENCE_TOO_LARGE', `${total} bytes of evidence, at most ${totalBytes} are taken`, {
    fix: "remove artifacts that nobody needs from the site's registry",
  });
}

/**
 * Makes the store hold every blob of `wanted`, fetched from the site's registry and checked.
 * @param options.check also reads what is there already, and fetches anew what is damaged.
 * @returns how many were fetched.
 * @throws DaemonsetError `EVIDENCE_MISSING` naming the first that can't be had, `DISK_FULL`.
 */
export async function takeEvidence(
  { store, registry }: EvidenceIntake,
  wanted: readonly WantedBlob[],
  options: { readonly check: boolean },
): Promise<number> {
  let fetched = 0;
  await forEachLimited(wanted, CONCURRENCY, async (blob) => {
    if (await isHeld(store, blob.descriptor, options.check)) return;
    await fetchBlob({ store, registry }, blob);
    fetched += 1;
  });
  return fetched;
}

async function isHeld(store: BlobStore, descriptor: Descriptor, check: boolean): Promise<boolean> {
  if (!(await store.has(descriptor.digest))) return false;
  if (!check) return true;
  try {
    await store.read(descriptor);
    return true;
  } catch {
    return false;
  }
}

async function fetchBlob({ store, registry }: EvidenceIntake, blob: WantedBlob): Promise<void> {
  const failures: unknown[] = [];
  for (const name of blob.repositories) {
    const split = splitName(name);
    if (split === undefined) continue;
    try {
      await fetchFrom(registry.repository(split), blob, store);
      return;
    } catch (error) {
      if (isDiskFull(error)) {
        throw new DaemonsetError('DISK_FULL', 'there is no room for evidence', {
          cause: error,
          fix: 'free space on the node',
        });
      }
      failures.push(error);
    }
  }
  const { digest } = blob.descriptor;
  const why = failures.length === 0 ? 'no repository is named for it' : describeError(failures[0]);
  throw new DaemonsetError('EVIDENCE_MISSING', `${digest} of ${blob.repositories.join(', ')}: ${why}`, {
    cause: failures[0],
  });
}

async function fetchFrom(repository: RepositoryClient, blob: WantedBlob, store: BlobStore): Promise<void> {
  const { digest, size } = blob.descriptor;
  if (!blob.isManifest) {
    await store.write(digest, repository.readBlob(blob.descriptor), { maxBytes: size });
    return;
  }
  const fetched = await repository.manifest(digest);
  if (fetched === undefined) throw new DaemonsetError('EVIDENCE_MISSING', `${repository.name}@${digest}: not there`);
  await store.write(digest, fetched.bytes, { maxBytes: size });
}
