import { type Digest, digestOf, isDigest } from '../appliance/kernel/digest.ts';
import {
  bodyOf,
  type Exchange,
  repositoryOf,
  type StoredManifest,
  type StoredRepository,
  sendEmpty,
  sendError,
  sendJson,
} from './memory-registry-exchange.ts';
import { artifactTypeOf, contentOf, MAX_MANIFEST_BYTES, type Manifest, MEDIA, parseManifest } from './oci-types.ts';

const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;

/** `HEAD`, `GET`, `PUT` and `DELETE` of a manifest by tag or digest. */
export async function answerManifests(exchange: Exchange): Promise<void> {
  const { state, request, response, name, target } = exchange;
  if (!isDigest(target) && !TAG.test(target)) {
    sendError(response, 400, 'MANIFEST_INVALID');
    return;
  }
  if (request.method === 'PUT') {
    const bytes = await bodyOf(exchange, MAX_MANIFEST_BYTES);
    if (bytes !== undefined) takeManifest(exchange, bytes);
    return;
  }
  const found = find(state.repositories.get(name), target);
  if (found === undefined) sendError(response, 404, 'MANIFEST_UNKNOWN');
  else answerStored(exchange, found);
}

interface Found extends StoredManifest {
  readonly repository: StoredRepository;
  readonly digest: Digest;
}

function find(repository: StoredRepository | undefined, target: string): Found | undefined {
  const digest = isDigest(target) ? target : repository?.tags.get(target);
  const stored = digest === undefined ? undefined : repository?.manifests.get(digest);
  if (repository === undefined || digest === undefined || stored === undefined) return undefined;
  return { ...stored, repository, digest };
}

function answerStored({ request, response, target }: Exchange, { repository, digest, mediaType, bytes }: Found): void {
  if (request.method === 'DELETE') {
    remove(repository, target, digest);
    sendEmpty(response, 202, {});
    return;
  }
  response.writeHead(200, {
    'content-type': mediaType,
    'content-length': bytes.byteLength,
    'docker-content-digest': digest,
  });
  response.end(request.method === 'HEAD' ? undefined : bytes);
}

function remove(repository: StoredRepository, target: string, digest: Digest): void {
  if (!isDigest(target)) {
    repository.tags.delete(target);
    return;
  }
  repository.manifests.delete(digest);
  for (const [tag, tagged] of repository.tags) if (tagged === digest) repository.tags.delete(tag);
}

function takeManifest({ state, request, response, name, target }: Exchange, bytes: Buffer): void {
  const digest = digestOf(bytes);
  const mediaType = request.headers['content-type'] ?? '';
  const manifest = parsed(bytes, mediaType);
  if (manifest === undefined) {
    sendError(response, 400, 'MANIFEST_INVALID');
    return;
  }
  if (isDigest(target) && target !== digest) {
    sendError(response, 400, 'DIGEST_INVALID');
    return;
  }
  const repository = repositoryOf(state, name);
  if (!(state.sparseIndexes && manifest.kind === 'index') && !hasContent(repository, manifest)) {
    sendError(response, 404, 'MANIFEST_BLOB_UNKNOWN');
    return;
  }
  repository.manifests.set(digest, { mediaType, bytes });
  if (!isDigest(target)) repository.tags.set(target, digest);
  sendEmpty(response, 201, {
    location: `/v2/${name}/manifests/${digest}`,
    'docker-content-digest': digest,
    ...subjectHeader(state, manifest),
  });
}

function subjectHeader({ referrersApi }: Exchange['state'], { subject }: Manifest): Record<string, string> {
  return referrersApi && subject !== undefined ? { 'oci-subject': subject.digest } : {};
}

function parsed(bytes: Buffer, mediaType: string): Manifest | undefined {
  try {
    return parseManifest(bytes, mediaType);
  } catch {
    return undefined;
  }
}

/** Everything that a manifest points to is in its repository; its subject need not be (distribution-spec). */
function hasContent(repository: StoredRepository, manifest: Manifest): boolean {
  const held: { has(digest: Digest): boolean } = manifest.kind === 'index' ? repository.manifests : repository.blobs;
  return contentOf(manifest).every(({ digest }) => held.has(digest));
}

/** The referrers of a digest, as an index; one page at a time. */
export function answerReferrers({ state, request, response, query, name, target }: Exchange): void {
  if (!state.referrersApi) {
    sendError(response, 404, 'UNSUPPORTED');
    return;
  }
  if (!isDigest(target) || request.method !== 'GET') {
    sendError(response, isDigest(target) ? 405 : 400, 'UNSUPPORTED');
    return;
  }
  const wanted = query.get('artifactType');
  const all = referrersIn(state.repositories.get(name), target).filter(
    ({ artifactType }) => wanted === null || artifactType === wanted,
  );
  const from = Number(query.get('from') ?? 0);
  const manifests = all.slice(from, from + state.pageSize);
  const next = from + manifests.length;
  const filter = wanted === null ? '' : `artifactType=${encodeURIComponent(wanted)}&`;
  const headers = {
    'content-type': MEDIA.ociIndex,
    ...(wanted === null ? {} : { 'oci-filters-applied': 'artifactType' }),
    ...(next < all.length ? { link: `</v2/${name}/referrers/${target}?${filter}from=${next}>; rel="next"` } : {}),
  };
  sendJson(response, { status: 200, headers }, { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests });
}

function referrersIn(repository: StoredRepository | undefined, subject: Digest) {
  return [...(repository?.manifests ?? [])].flatMap(([digest, { mediaType, bytes }]) => {
    const manifest = parsed(bytes, mediaType);
    if (manifest?.subject?.digest !== subject) return [];
    const { annotations } = manifest;
    const artifactType = artifactTypeOf(manifest);
    return [
      {
        mediaType,
        digest,
        size: bytes.byteLength,
        ...(artifactType === undefined ? {} : { artifactType }),
        ...(annotations === undefined ? {} : { annotations }),
      },
    ];
  });
}
