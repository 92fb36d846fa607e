import { isDigest } from '../appliance/kernel/digest.ts';
import { type Exchange, sendEmpty, sendError } from './memory-registry-exchange.ts';

/** `HEAD`, `GET` (with one range) and `DELETE` of a blob. */
export function answerBlobs({ state, request, response, name, target }: Exchange): void {
  if (!isDigest(target)) {
    sendError(response, 400, 'DIGEST_INVALID');
    return;
  }
  const repository = state.repositories.get(name);
  const bytes = repository?.blobs.has(target) === true ? state.blobs.get(target) : undefined;
  if (bytes === undefined) {
    sendError(response, 404, 'BLOB_UNKNOWN');
    return;
  }
  const headers = { 'docker-content-digest': target, 'content-type': 'application/octet-stream' };
  if (request.method === 'DELETE') {
    repository?.blobs.delete(target);
    sendEmpty(response, 202, {});
  } else if (request.method === 'HEAD') {
    response.writeHead(200, { ...headers, 'content-length': bytes.byteLength, 'accept-ranges': 'bytes' });
    response.end();
  } else if (request.method === 'GET') {
    sendRange({ response }, bytes, { range: request.headers.range, headers });
  } else {
    sendError(response, 405, 'UNSUPPORTED');
  }
}

function sendRange(
  { response }: Pick<Exchange, 'response'>,
  bytes: Buffer,
  { range, headers }: { range: string | undefined; headers: Record<string, string> },
): void {
  const [, first = '', last = ''] = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(range ?? '') ?? [];
  if (first === '') {
    response.writeHead(200, { ...headers, 'content-length': bytes.byteLength, 'accept-ranges': 'bytes' });
    response.end(bytes);
    return;
  }
  const start = Number(first);
  const end = Math.min(last === '' ? bytes.byteLength - 1 : Number(last), bytes.byteLength - 1);
  if (start > end) {
    sendEmpty(response, 416, { 'content-range': `bytes */${bytes.byteLength}` });
    return;
  }
  const part = bytes.subarray(start, end + 1);
  const contentRange = `bytes ${start}-${end}/${bytes.byteLength}`;
  response.writeHead(206, { ...headers, 'content-length': part.byteLength, 'content-range': contentRange });
  response.end(part);
}
