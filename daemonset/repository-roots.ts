import { type Digest, isDigest } from '../appliance/kernel/digest.ts';
import type { RepositoryClient } from '../mirror/registry-port.ts';

/** What a repository's closure starts from. */
export interface RepositoryRoots {
  /** Tags of images, and the digests that they stand for now. */
  readonly tags: ReadonlyMap<string, Digest>;
  /** Digests without a tag that evidence is tagged for. */
  readonly untagged: readonly Digest[];
  /** Changes when any tag comes, goes or moves, evidence tags included. */
  readonly fingerprint: string;
}

const EVIDENCE_TAG = /^(sha256)-([0-9a-f]{64})(?:\.(?:sig|att|sbom))?$/;

/** Reads a repository's tags: HEADs only. A tag that goes away in between is left out. @throws MirrorError. */
export async function repositoryRoots(repository: RepositoryClient): Promise<RepositoryRoots> {
  const tags = new Map<string, Digest>();
  const subjects = new Set<Digest>();
  const seen: string[] = [];
  for (const tag of [...(await repository.tags())].sort()) {
    const digest = await repository.digestOf(tag);
    if (digest === undefined) continue;
    seen.push(`${tag}=${digest}`);
    const [, algorithm, hex] = EVIDENCE_TAG.exec(tag) ?? [];
    const subject = `${algorithm ?? ''}:${hex ?? ''}`;
    if (isDigest(subject)) subjects.add(subject);
    else tags.set(tag, digest);
  }
  for (const digest of tags.values()) subjects.delete(digest);
  return { tags, untagged: [...subjects].sort(), fingerprint: seen.join('\n') };
}
