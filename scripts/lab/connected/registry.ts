import { type Digest, digestOf } from '../../../appliance/kernel/digest.ts';
import { localUrl, PORTS } from './upstream.ts';

/** A manifest as a registry gave it. */
export interface FetchedManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** Every media type of a manifest that the connected side holds. */
const ACCEPT = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

/** `127.0.0.1:5000/<host>/<repository>`: how clients on the connected side name what is at `name` upstream. */
export function atConnectedRegistry(name: string): string {
  return `127.0.0.1:${PORTS.registry}/${name}`;
}

async function ask(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(`${localUrl(PORTS.registry)}/v2/${path}`, init);
  if (!response.ok) throw new Error(`${init.method ?? 'GET'} ${path}: ${response.status} ${await response.text()}`);
  return response;
}

/** The manifest that `reference` (a tag or digest) names in `repository`. */
export async function fetchManifest(repository: string, reference: string): Promise<FetchedManifest> {
  const response = await ask(`${repository}/manifests/${reference}`, { headers: { accept: ACCEPT } });
  const bytes = Buffer.from(await response.arrayBuffer());
  return { digest: digestOf(bytes), mediaType: response.headers.get('content-type') ?? '', bytes };
}

/** A blob's bytes. */
export async function fetchBlob(repository: string, digest: string): Promise<Buffer> {
  return Buffer.from(await (await ask(`${repository}/blobs/${digest}`)).arrayBuffer());
}

/** Uploads a blob. */
export async function pushBlob(repository: string, bytes: Buffer): Promise<Digest> {
  const begun = await ask(`${repository}/blobs/uploads/`, { method: 'POST' });
  const place = new URL(begun.headers.get('location') ?? '', localUrl(PORTS.registry));
  const digest = digestOf(bytes);
  place.searchParams.set('digest', digest);
  const headers = { 'content-type': 'application/octet-stream' };
  const done = await fetch(place, { method: 'PUT', body: new Uint8Array(bytes), headers });
  if (!done.ok) throw new Error(`PUT blob ${digest}: ${done.status}`);
  return digest;
}

/** Uploads a manifest under a tag, or under its own digest. */
export async function pushManifest(repository: string, manifest: object, tag?: string): Promise<FetchedManifest> {
  const bytes = Buffer.from(JSON.stringify(manifest));
  const digest = digestOf(bytes);
  const { mediaType } = manifest as { mediaType: string };
  const headers = { 'content-type': mediaType };
  await ask(`${repository}/manifests/${tag ?? digest}`, { method: 'PUT', body: new Uint8Array(bytes), headers });
  return { digest, mediaType, bytes };
}
