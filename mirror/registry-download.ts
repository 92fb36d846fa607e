import { createHash } from 'node:crypto';

import type { Descriptor } from './descriptor.ts';
import { MirrorError } from './mirror-error.ts';
import type { RegistryRequest, RegistrySession } from './registry-session.ts';
import { pauseBefore } from './retry.ts';
import type { WireResponse } from './transport.ts';

type BlobRequest = Omit<RegistryRequest, 'accept'>;

/**
 * The bytes of a blob, chunk by chunk. A connection that breaks is taken up where it broke (`Range`), as long as each
 * new one brings something. Never hands out more bytes than the descriptor says; digest and size are checked at the end.
 * @throws MirrorError `BLOB_CORRUPT`, `REGISTRY_PROTOCOL`, and what the session throws.
 */
export async function* downloadBlob(
  session: RegistrySession,
  request: BlobRequest,
  blob: Descriptor,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  let received = 0;
  let fruitless = 0;
  do {
    const before = received;
    try {
      for await (const chunk of bytesFrom(session, request, { offset: received, size: blob.size })) {
        hash.update(chunk);
        received += chunk.byteLength;
        yield chunk;
      }
      if (received < blob.size) throw new Error(`ended after ${received} of ${blob.size} bytes`);
    } catch (cause) {
      fruitless = received > before ? 1 : fruitless + 1;
      await pauseUnlessFinal({ session, request }, { cause, received, fruitless });
    }
  } while (received < blob.size);
  const actual = `sha256:${hash.digest('hex')}`;
  if (actual !== blob.digest) {
    throw new MirrorError('BLOB_CORRUPT', `${request.url.href}: the content has the digest ${actual}`);
  }
}

interface Break {
  readonly cause: unknown;
  readonly received: number;
  /** Tries in a row that brought nothing. */
  readonly fruitless: number;
}

/** Waits for the next try after a broken connection; throws for what a new try can't mend. */
async function pauseUnlessFinal(
  { session, request }: { session: RegistrySession; request: BlobRequest },
  { cause, received, fruitless }: Break,
): Promise<void> {
  if (cause instanceof MirrorError) throw cause;
  if (request.signal?.aborted === true) throw new MirrorError('INTERRUPTED', 'interrupted', { cause });
  if (fruitless >= session.retry.attempts) throw brokenOff(request, received, cause);
  await session.retry.wait(pauseBefore(session.retry, fruitless), request.signal);
}

async function* bytesFrom(
  session: RegistrySession,
  request: BlobRequest,
  { offset, size }: { offset: number; size: number },
): AsyncGenerator<Uint8Array> {
  const headers = offset === 0 ? {} : { range: `bytes=${offset}-` };
  const response = await session.send({ ...request, headers, accept: offset === 0 ? [200] : [200, 206] });
  // A server without Range starts over: what was received before is skipped.
  let skip = response.status === 206 ? 0 : offset;
  if (response.status === 206) checkRange(response, request, offset);
  let left = size - offset;
  for await (const chunk of response.body) {
    const fresh = skip === 0 ? chunk : chunk.subarray(Math.min(skip, chunk.byteLength));
    skip -= chunk.byteLength - fresh.byteLength;
    if (fresh.byteLength > left) {
      throw new MirrorError('BLOB_CORRUPT', `${request.url.href}: more than the ${size} bytes that it should have`);
    }
    left -= fresh.byteLength;
    if (fresh.byteLength > 0) yield fresh;
  }
}

function checkRange(response: WireResponse, request: BlobRequest, offset: number): void {
  const range = response.header('content-range');
  if (range?.startsWith(`bytes ${offset}-`) !== true) {
    throw new MirrorError('REGISTRY_PROTOCOL', `${request.url.href}: asked for bytes ${offset}-, got ${range ?? '?'}`);
  }
}

function brokenOff(request: BlobRequest, received: number, cause: unknown): MirrorError {
  return new MirrorError(
    'REGISTRY_UNREACHABLE',
    `${request.url.href}: broke off at byte ${received}, again and again`,
    {
      cause,
    },
  );
}
