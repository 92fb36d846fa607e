import { randomUUID } from 'node:crypto';

import { digestOf, isDigest } from '../appliance/kernel/digest.ts';
import {
  bodyOf,
  type Exchange,
  repositoryOf,
  type StoredUpload,
  sendEmpty,
  sendError,
} from './memory-registry-exchange.ts';

const MAX_UPLOAD_BYTES = 2 ** 31;

/** Blob uploads: `POST` (start, mount or whole), `PATCH` (a piece), `PUT` (close), `GET` (where it stands), `DELETE`. */
export async function answerUploads(exchange: Exchange): Promise<void> {
  const { state, request, response, name, target } = exchange;
  if (target === '') {
    if (request.method === 'POST') await startUpload(exchange);
    else sendError(response, 405, 'UNSUPPORTED');
    return;
  }
  const upload = state.uploads.get(target);
  if (upload?.repository !== name) {
    sendError(response, 404, 'BLOB_UPLOAD_UNKNOWN');
    return;
  }
  await answerSession(exchange, upload);
}

async function answerSession(exchange: Exchange, upload: StoredUpload): Promise<void> {
  const { state, request, response, target } = exchange;
  switch (request.method) {
    case 'PATCH':
      await takePiece(exchange, upload);
      return;
    case 'PUT':
      if (await append(exchange, upload)) closeUpload(exchange, upload);
      return;
    case 'GET':
      sendEmpty(response, 204, sessionHeaders(exchange, target, upload.size));
      return;
    case 'DELETE':
      state.uploads.delete(target);
      sendEmpty(response, 204, {});
      return;
    case undefined:
    default:
      sendError(response, 405, 'UNSUPPORTED');
  }
}

async function startUpload(exchange: Exchange): Promise<void> {
  const { state, response, query, name } = exchange;
  const mount = query.get('mount') ?? '';
  const from = state.repositories.get(query.get('from') ?? '');
  if (isDigest(mount) && from?.blobs.has(mount) === true) {
    repositoryOf(state, name).blobs.add(mount);
    sendCreated(exchange, mount);
    return;
  }
  const id = randomUUID();
  const upload: StoredUpload = { repository: name, chunks: [], size: 0 };
  state.uploads.set(id, upload);
  if (query.has('digest')) {
    if (await append(exchange, upload)) closeUpload({ ...exchange, target: id }, upload);
    return;
  }
  sendEmpty(response, 202, sessionHeaders(exchange, id, 0));
}

async function takePiece(exchange: Exchange, upload: StoredUpload): Promise<void> {
  const { request, response, target } = exchange;
  const [, start] = /^(\d{1,15})-\d{1,15}$/.exec(request.headers['content-range'] ?? '') ?? [];
  if (start !== undefined && Number(start) !== upload.size) {
    sendEmpty(response, 416, sessionHeaders(exchange, target, upload.size));
    return;
  }
  if (await append(exchange, upload)) sendEmpty(response, 202, sessionHeaders(exchange, target, upload.size));
}

async function append(exchange: Exchange, upload: StoredUpload): Promise<boolean> {
  const body = await bodyOf(exchange, MAX_UPLOAD_BYTES - upload.size);
  if (body === undefined) return false;
  upload.chunks.push(body);
  upload.size += body.byteLength;
  return true;
}

function closeUpload(exchange: Exchange, upload: StoredUpload): void {
  const { state, response, query, name, target } = exchange;
  const wanted = query.get('digest') ?? '';
  const bytes = Buffer.concat(upload.chunks);
  state.uploads.delete(target);
  if (!isDigest(wanted) || digestOf(bytes) !== wanted) {
    sendError(response, 400, 'DIGEST_INVALID');
    return;
  }
  state.blobs.set(wanted, bytes);
  repositoryOf(state, name).blobs.add(wanted);
  sendCreated(exchange, wanted);
}

function sendCreated({ response, name }: Exchange, digest: string): void {
  sendEmpty(response, 201, { location: `/v2/${name}/blobs/${digest}`, 'docker-content-digest': digest });
}

function sessionHeaders({ name }: Exchange, id: string, size: number): Record<string, string> {
  return {
    location: `/v2/${name}/blobs/uploads/${id}`,
    'docker-upload-uuid': id,
    range: `0-${Math.max(size - 1, 0)}`,
  };
}
