import { type Digest, digestOf, isDigest } from '../appliance/kernel/digest.ts';
import { MirrorError } from './mirror-error.ts';
import type { RepositoryEndpoint } from './mirror-map.ts';
import { isManifestType, MAX_MANIFEST_BYTES, MEDIA, mediaTypeOfManifest } from './oci-types.ts';
import { downloadBlob } from './registry-download.ts';
import { listReferrers, listTags } from './registry-lists.ts';
import type { FetchedManifest, RepositoryClient } from './registry-port.ts';
import type { RegistryRequest, RegistrySession, RequestMaker } from './registry-session.ts';
import { mountBlob, uploadBlob } from './registry-upload.ts';
import type { WireResponse } from './transport.ts';

/** One repository, as the files of the registry client see it. */
export interface RepositoryContext {
  readonly name: string;
  readonly endpoint: RepositoryEndpoint;
  readonly uploadChunkBytes: number;
  readonly signal: AbortSignal | undefined;
}

const ACCEPTED_MANIFESTS = [MEDIA.ociIndex, MEDIA.ociManifest, MEDIA.dockerList, MEDIA.dockerManifest].join(', ');

/** The requests of one repository over a session. */
export function repositoryClient(session: RegistrySession, context: RepositoryContext): RepositoryClient {
  const pull = requestsTo(context, 'pull');
  const push = requestsTo(context, 'pull,push');
  const headManifest = async (reference: string): Promise<WireResponse> => {
    const headers = { accept: ACCEPTED_MANIFESTS };
    const response = await session.send({
      ...pull('HEAD', `manifests/${reference}`),
      headers,
      accept: [200, 404],
    });
    await response.drop();
    return response;
  };
  const self: RepositoryClient = {
    name: context.name,
    endpoint: context.endpoint,
    manifest: async (reference) => await fetchManifest(session, pull('GET', `manifests/${reference}`), reference),
    hasManifest: async (reference) => (await headManifest(reference)).status === 200,
    digestOf: async (reference) => {
      const response = await headManifest(reference);
      if (response.status === 404) return undefined;
      const told = response.header('docker-content-digest');
      return told !== undefined && isDigest(told) ? told : (await self.manifest(reference))?.descriptor.digest;
    },
    putManifest: async (reference, manifest) =>
      await putManifest(session, push('PUT', `manifests/${reference}`), manifest),
    blobSize: async (digest) => {
      const response = await session.send({ ...pull('HEAD', `blobs/${digest}`), accept: [200, 404] });
      await response.drop();
      return response.status === 404 ? undefined : sizeTold(response, digest);
    },
    readBlob: (blob) => downloadBlob(session, pull('GET', `blobs/${blob.digest}`), blob),
    putBlob: async (blob, source) =>
      await uploadBlob({ session, request: push, chunkBytes: context.uploadChunkBytes }, blob, source),
    mountBlob: async (digest, from) =>
      from.origin === context.endpoint.origin && (await mountBlob({ session, request: push }, digest, from.path)),
    referrers: async (subject) => await listReferrers(session, pull('GET', `referrers/${subject}`)),
    tags: async () => await listTags(session, pull('GET', 'tags/list?n=1000')),
    deleteManifest: async (digest) => {
      const response = await session.send({
        ...requestsTo(context, 'delete')('DELETE', `manifests/${digest}`),
        accept: [200, 202, 404],
      });
      await response.drop();
    },
  };
  return self;
}

function requestsTo({ endpoint, signal }: RepositoryContext, actions: string): RequestMaker {
  return (method, pathAndQuery) => ({
    method,
    url: new URL(`${endpoint.origin}/v2/${endpoint.path}/${pathAndQuery}`),
    origin: endpoint.origin,
    scopes: [`repository:${endpoint.path}:${actions}`],
    signal,
  });
}

async function fetchManifest(
  session: RegistrySession,
  request: Omit<RegistryRequest, 'accept'>,
  reference: string,
): Promise<FetchedManifest | undefined> {
  const headers = { accept: ACCEPTED_MANIFESTS };
  const response = await session.send({ ...request, headers, accept: [200, 404] });
  if (response.status === 404) {
    await response.drop();
    return undefined;
  }
  const bytes = await response.bytes(MAX_MANIFEST_BYTES);
  const digest = digestOf(bytes);
  const told = response.header('docker-content-digest');
  const wrong = [reference, told].find((text) => text !== undefined && isDigest(text) && text !== digest);
  if (wrong !== undefined) {
    throw new MirrorError('REGISTRY_PROTOCOL', `${request.url.href}: served ${digest} for ${wrong}`);
  }
  return { descriptor: { mediaType: servedType(response, bytes), digest, size: bytes.byteLength }, bytes };
}

/** The type that the manifest was served with; where a server is vague, the one that the manifest itself names. */
function servedType(response: WireResponse, bytes: Buffer): string {
  const served = response.header('content-type')?.split(';')[0]?.trim() ?? '';
  return isManifestType(served) ? served : mediaTypeOfManifest(bytes);
}

async function putManifest(
  session: RegistrySession,
  request: Omit<RegistryRequest, 'accept'>,
  { descriptor, bytes }: FetchedManifest,
): Promise<{ listsReferrers: boolean }> {
  const response = await session.send({
    ...request,
    headers: { 'content-type': descriptor.mediaType, 'content-length': String(bytes.byteLength) },
    body: () => bytes,
    accept: [200, 201, 202],
  });
  await response.drop();
  const stored = response.header('docker-content-digest');
  if (stored !== undefined && isDigest(stored) && stored !== descriptor.digest) {
    throw new MirrorError('REGISTRY_PROTOCOL', `${request.url.href}: stored ${stored} instead of ${descriptor.digest}`);
  }
  return { listsReferrers: response.header('oci-subject') !== undefined };
}

function sizeTold(response: WireResponse, digest: Digest): number {
  const length = Number(response.header('content-length'));
  if (!Number.isSafeInteger(length) || length < 0) {
    throw new MirrorError('REGISTRY_PROTOCOL', `${digest}: answered without a Content-Length`);
  }
  return length;
}
