import type { Digest } from '../appliance/kernel/digest.ts';
import type { Descriptor } from './descriptor.ts';
import { MirrorError } from './mirror-error.ts';
import type { UploadSource } from './registry-port.ts';
import { type RegistryRequest, type RegistrySession, type RequestMaker, redirectTarget } from './registry-session.ts';
import { isPassing, pauseBefore } from './retry.ts';
import type { WireResponse } from './transport.ts';

/** The upload requests of one repository. */
export interface UploadParts {
  readonly session: RegistrySession;
  readonly request: RequestMaker;
  readonly chunkBytes: number;
}

/**
 * Stores a blob: in one PUT, or, beyond `chunkBytes`, in pieces that are taken up again after a break
 * (distribution-spec v1.1 "Pushing a blob in chunks").
 */
export async function uploadBlob(parts: UploadParts, blob: Descriptor, source: UploadSource): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const started = await startUpload(parts);
      await (blob.size <= parts.chunkBytes ? putWhole : putInPieces)({ ...parts, ...started }, blob, source);
      return;
    } catch (error) {
      if (!isBroken(error) || attempt >= parts.session.retry.attempts) throw error;
      await pauseAfter(parts.session, attempt, error);
    }
  }
}

/** Asks to take a blob over from the repository `from`. An upload session that opens instead is cancelled. */
export async function mountBlob(
  { session, request }: Pick<UploadParts, 'session' | 'request'>,
  digest: Digest,
  from: string,
): Promise<boolean> {
  const query = `mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`;
  const base = request('POST', `blobs/uploads/?${query}`);
  const scopes = [...base.scopes, `repository:${from}:pull`];
  const response = await session.send({ ...base, scopes, headers: EMPTY_BODY, accept: [201, 202, 404, 405] });
  await response.drop();
  if (response.status !== 202) return response.status === 201;
  const url = locationOf(response, base.url);
  const cancelled = await session
    .send({ ...base, method: 'DELETE', url, accept: [200, 202, 204, 404, 405], retries: false })
    .catch(() => undefined);
  await cancelled?.drop();
  return false;
}

const EMPTY_BODY = { 'content-length': '0' };

/** An upload under way: each answer gives the address of the next request. */
interface Upload extends UploadParts {
  readonly location: URL;
  /** `OCI-Chunk-Min-Length`. */
  readonly minimumBytes: number;
}

async function startUpload({ session, request }: UploadParts): Promise<Pick<Upload, 'location' | 'minimumBytes'>> {
  const base = request('POST', 'blobs/uploads/');
  const response = await session.send({ ...base, headers: EMPTY_BODY, accept: [202] });
  await response.drop();
  const minimum = Number(response.header('oci-chunk-min-length') ?? 0);
  return {
    location: locationOf(response, base.url),
    minimumBytes: Number.isSafeInteger(minimum) && minimum > 0 ? minimum : 0,
  };
}

async function putWhole(upload: Upload, blob: Descriptor, source: UploadSource): Promise<void> {
  const headers = { 'content-type': 'application/octet-stream', 'content-length': String(blob.size) };
  await finish(upload, blob, { headers, body: () => source(0, blob.size) });
}

async function putInPieces(upload: Upload, blob: Descriptor, source: UploadSource): Promise<void> {
  const pieceBytes = Math.max(upload.chunkBytes, upload.minimumBytes);
  const { attempts } = upload.session.retry;
  let location = upload.location;
  let offset = 0;
  let fruitless = 0;
  while (offset < blob.size) {
    const end = Math.min(offset + pieceBytes, blob.size);
    try {
      location = await patch({ ...upload, location }, { start: offset, end }, source);
      offset = end;
      fruitless = 0;
    } catch (error) {
      fruitless += 1;
      if (!isBroken(error) || fruitless >= attempts) throw error;
      await pauseAfter(upload.session, fruitless, error);
      ({ location, offset } = await whereItStands({ ...upload, location }));
    }
  }
  await finish({ ...upload, location }, blob, { headers: EMPTY_BODY });
}

interface Piece {
  readonly start: number;
  readonly end: number;
}

async function patch(upload: Upload, { start, end }: Piece, source: UploadSource): Promise<URL> {
  const base = upload.request('PATCH', '');
  const response = await upload.session.send({
    ...base,
    url: upload.location,
    headers: {
      'content-type': 'application/octet-stream',
      'content-length': String(end - start),
      'content-range': `${start}-${end - 1}`,
    },
    body: () => source(start, end),
    accept: [202],
    retries: false,
  });
  await response.drop();
  return locationOf(response, upload.location);
}

/** Asks how much of an upload has arrived (204 with `Range: 0-N`, N inclusive). */
async function whereItStands(upload: Upload): Promise<{ location: URL; offset: number }> {
  const base = upload.request('GET', '');
  const response = await upload.session.send({ ...base, url: upload.location, accept: [204] });
  await response.drop();
  const last = /^(?:bytes=)?0-(\d{1,15})$/.exec(response.header('range') ?? '')?.[1];
  const location = locationOf(response, upload.location);
  // Nothing received is told as `0-0` by some and by no header by others; one byte sent twice would be refused.
  return { location, offset: last === undefined || last === '0' ? 0 : Number(last) + 1 };
}

async function finish(
  upload: Upload,
  blob: Descriptor,
  last: Pick<RegistryRequest, 'headers' | 'body'>,
): Promise<void> {
  const base = upload.request('PUT', '');
  // The address is the registry's own: used as it is, with the digest added.
  const url = new URL(upload.location);
  url.search = `${url.search === '' ? '?' : `${url.search}&`}digest=${encodeURIComponent(blob.digest)}`;
  const response = await upload.session.send({ ...base, ...last, url, accept: [200, 201, 204], retries: false });
  await response.drop();
  const stored = response.header('docker-content-digest');
  if (stored !== undefined && stored !== blob.digest) {
    throw new MirrorError('REGISTRY_PROTOCOL', `${base.url.origin} stored ${stored} instead of ${blob.digest}`);
  }
}

function locationOf(response: WireResponse, from: URL): URL {
  const location = response.header('location');
  if (location !== undefined) return redirectTarget(location, from);
  throw new MirrorError('REGISTRY_PROTOCOL', `${from.origin}${from.pathname}: answered without a Location`);
}

async function pauseAfter({ retry }: RegistrySession, attempt: number, error: MirrorError): Promise<void> {
  await retry.wait(pauseBefore(retry, attempt, error.http?.retryAfterMs));
}

/** True for what a new try may mend: the connection, a session that is gone, an answer that passes. */
function isBroken(error: unknown): error is MirrorError {
  if (!(error instanceof MirrorError)) return false;
  if (error.code === 'REGISTRY_UNREACHABLE') return true;
  // 404: the upload session is gone; 416: the server stands somewhere else than this side thinks.
  const status = error.http?.status ?? 0;
  return status === 404 || status === 416 || isPassing(status);
}
