import { randomBytes } from 'node:crypto';

import test from 'ava';
import { clockAt } from '../../appliance/kernel/clock.ts';
import { digestOf } from '../../appliance/kernel/digest.ts';
import { memoryRegistry } from '../../mirror/memory-registry.ts';
import { MEDIA } from '../../mirror/oci-types.ts';
import { redirectTarget } from '../../mirror/registry-session.ts';
import { blobOf, collect, imageOf, push, sliceOf } from './support/images.ts';
import { notingRetry, repositoryAt, serve } from './support/server.ts';

const blob = blobOf(randomBytes(50_000));
const { size } = blob.descriptor;

test('a blob whose connection breaks is taken up where it broke', async (t) => {
  const ranges: (string | undefined)[] = [];
  const origin = await serve(t, (request, response) => {
    ranges.push(request.headers.range);
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const headers = { 'content-length': size - start, 'content-range': `bytes ${start}-${size - 1}/${size}` };
    response.writeHead(start === 0 ? 200 : 206, headers);
    response.write(blob.bytes.subarray(start, start + 20_000), () => {
      if (start + 20_000 >= size) response.end();
      else response.destroy();
    });
  });
  t.true((await collect(repositoryAt(t, origin).readBlob(blob.descriptor))).equals(blob.bytes));
  t.deepEqual(ranges, [undefined, 'bytes=20000-', 'bytes=40000-']);
});

test('a server without Range sends it all again, and what was had before is skipped', async (t) => {
  let requests = 0;
  const origin = await serve(t, (_request, response) => {
    requests += 1;
    response.writeHead(200, { 'content-length': size });
    if (requests === 1) response.write(blob.bytes.subarray(0, 30_000), () => response.destroy());
    else response.end(blob.bytes);
  });
  t.true((await collect(repositoryAt(t, origin).readBlob(blob.descriptor))).equals(blob.bytes));
  t.is(requests, 2);
});

test('a blob that never brings anything more is given up', async (t) => {
  const origin = await serve(t, (_request, response) => {
    response.writeHead(200, { 'content-length': size });
    response.flushHeaders();
    setImmediate(() => response.destroy());
  });
  await t.throwsAsync(collect(repositoryAt(t, origin).readBlob(blob.descriptor)), { code: 'REGISTRY_UNREACHABLE' });
});

test('a range that was not asked for is refused', async (t) => {
  let requests = 0;
  const origin = await serve(t, (_request, response) => {
    requests += 1;
    response.writeHead(requests === 1 ? 200 : 206, { 'content-range': `bytes 0-${size - 1}/${size}` });
    if (requests === 1) response.write(blob.bytes.subarray(0, 30_000), () => response.destroy());
    else response.end(blob.bytes);
  });
  await t.throwsAsync(collect(repositoryAt(t, origin).readBlob(blob.descriptor)), { code: 'REGISTRY_PROTOCOL' });
});

test('an endless body is cut off', async (t) => {
  const origin = await serve(t, (_request, response) => {
    response.writeHead(200);
    const more = (): void => {
      while (!response.destroyed && response.write(blob.bytes));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  });
  await t.throwsAsync(collect(repositoryAt(t, origin).readBlob(blob.descriptor)), { code: 'BLOB_CORRUPT' });
});

test('other content of the same length is refused at the end', async (t) => {
  const origin = await serve(t, (_request, response) => response.end(randomBytes(size)));
  await t.throwsAsync(collect(repositoryAt(t, origin).readBlob(blob.descriptor)), { code: 'BLOB_CORRUPT' });
});

test('a manifest of another digest than asked for is refused', async (t) => {
  const image = imageOf('layer');
  const origin = await serve(t, (_request, response) => {
    response.writeHead(200, { 'content-type': MEDIA.ociManifest });
    response.end(image.manifest.bytes);
  });
  await t.throwsAsync(repositoryAt(t, origin).manifest(digestOf('other')), { code: 'REGISTRY_PROTOCOL' });
});

test('a manifest that contradicts the digest in its header is refused', async (t) => {
  const origin = await serve(t, (_request, response) => {
    response.writeHead(200, { 'content-type': MEDIA.ociManifest, 'docker-content-digest': digestOf('other') });
    response.end(imageOf('layer').manifest.bytes);
  });
  await t.throwsAsync(repositoryAt(t, origin).manifest('v1'), { code: 'REGISTRY_PROTOCOL' });
});

test('an endless manifest is cut off', async (t) => {
  const origin = await serve(t, (_request, response) => {
    response.writeHead(200, { 'content-type': MEDIA.ociManifest });
    response.end(Buffer.alloc(5 * 1024 * 1024));
  });
  await t.throwsAsync(repositoryAt(t, origin).manifest('v1'), { code: 'REGISTRY_PROTOCOL' });
});

test('too many requests: the pause that the server asks for is kept', async (t) => {
  const retry = notingRetry();
  let requests = 0;
  const registry = memoryRegistry();
  const origin = await serve(t, (request, response) => {
    requests += 1;
    if (requests > 2) {
      registry.handle(request, response);
      return;
    }
    const after = requests === 1 ? '7' : 'Sat, 21 Nov 2026 06:00:09 GMT';
    response.writeHead(429, { 'retry-after': after });
    response.end();
  });
  const repository = repositoryAt(t, origin, { retry, clock: clockAt('2026-11-21T06:00:00Z') });
  t.is(await repository.manifest('v1'), undefined);
  t.deepEqual(retry.pauses, [7000, 9000]);
});

test('a server that stays broken is given up, with doubling pauses', async (t) => {
  const retry = notingRetry(4);
  const origin = await serve(t, (_request, response) => {
    response.writeHead(503);
    response.end('{"errors":[{"code":"UNAVAILABLE","message":"back\\u0007soon"}]}');
  });
  const error = await t.throwsAsync(repositoryAt(t, origin, { retry }).manifest('v1'), { code: 'REGISTRY_STATUS' });
  t.regex(error.message, /answered 503 \(UNAVAILABLE back soon\)/);
  t.deepEqual(retry.pauses, [100, 200, 400]);
});

test('a registry that nobody runs is unreachable, exit code 5', async (t) => {
  const { origin, close } = await memoryRegistry().listen();
  await close();
  const error = await t.throwsAsync(repositoryAt(t, origin).manifest('v1'), { code: 'REGISTRY_UNREACHABLE' });
  t.like(error, { exitCode: 5 });
});

test('an abort ends a download', async (t) => {
  const abort = new AbortController();
  const origin = await serve(t, (_request, response) => {
    response.writeHead(200, { 'content-length': size });
    response.write(blob.bytes.subarray(0, 1000));
  });
  const reading = repositoryAt(t, origin, { signal: abort.signal }).readBlob(blob.descriptor);
  await t.throwsAsync(
    async () => {
      for await (const chunk of reading) if (chunk.byteLength > 0) abort.abort();
    },
    { code: 'INTERRUPTED' },
  );
});

test('an upload goes to the address that the registry gives, its query kept', async (t) => {
  const seen: string[] = [];
  const origin = await serve(t, (request, response) => {
    seen.push(`${request.method ?? ''} ${request.url ?? ''}`);
    request.resume();
    request.on('end', () => {
      const location = '../../../../elsewhere/42?state=a%2Fb%3D&x=1';
      response.writeHead(request.method === 'POST' ? 202 : 201, { location });
      response.end();
    });
  });
  await repositoryAt(t, origin).putBlob(blob.descriptor, sliceOf(blob.bytes));
  t.deepEqual(seen, [
    'POST /v2/a/b/blobs/uploads/',
    `PUT /v2/elsewhere/42?state=a%2Fb%3D&x=1&digest=${encodeURIComponent(blob.descriptor.digest)}`,
  ]);
});

test('an upload in pieces that breaks goes on where the server stands', async (t) => {
  const registry = memoryRegistry();
  const seen: string[] = [];
  let breaks = 1;
  const origin = await serve(t, (request, response) => {
    seen.push(`${request.method ?? ''} ${request.headers['content-range'] ?? ''}`.trim());
    if (request.method === 'PATCH' && request.headers['content-range']?.startsWith('20000-') === true && breaks > 0) {
      breaks -= 1;
      request.destroy();
      return;
    }
    registry.handle(request, response);
  });
  const repository = repositoryAt(t, origin, { uploadChunkBytes: 20_000 });
  await repository.putBlob(blob.descriptor, sliceOf(blob.bytes));
  t.true((await collect(repository.readBlob(blob.descriptor))).equals(blob.bytes));
  t.deepEqual(seen.slice(0, 7), [
    'POST',
    'PATCH 0-19999',
    'PATCH 20000-39999',
    'GET',
    'PATCH 20000-39999',
    'PATCH 40000-49999',
    'PUT',
  ]);
});

test('an upload whose session is lost starts again', async (t) => {
  const registry = memoryRegistry();
  let losses = 1;
  const origin = await serve(t, (request, response) => {
    if (request.method === 'PUT' && losses > 0) {
      losses -= 1;
      request.resume();
      response.writeHead(404);
      response.end();
    } else registry.handle(request, response);
  });
  const repository = repositoryAt(t, origin);
  await repository.putBlob(blob.descriptor, sliceOf(blob.bytes));
  t.is(await repository.blobSize(blob.descriptor.digest), size);
});

test('a list in pages is read to its end', async (t) => {
  const { handle } = memoryRegistry({ pageSize: 2 });
  const repository = repositoryAt(t, await serve(t, handle));
  const image = imageOf('layer');
  await push(repository, image, 'a', 'b', 'c', 'd', 'e');
  t.deepEqual(await repository.tags(), ['a', 'b', 'c', 'd', 'e']);
});

for (const status of [404, 405, 501]) {
  test(`a registry that answers ${status} has no referrers API, which is not the same as no referrers`, async (t) => {
    const origin = await serve(t, (_request, response) => response.writeHead(status).end());
    t.is(await repositoryAt(t, origin).referrers(digestOf('x')), undefined);
  });
}

test('a registry that refuses to list referrers, or tags, is an error', async (t) => {
  const origin = await serve(t, (_request, response) => response.writeHead(403).end());
  await t.throwsAsync(repositoryAt(t, origin).referrers(digestOf('x')), { code: 'REGISTRY_UNAUTHORIZED' });
  await t.throwsAsync(repositoryAt(t, origin).tags(), { code: 'REGISTRY_UNAUTHORIZED' });
});

test('a next page on another host is not asked for', async (t) => {
  const asked: string[] = [];
  const elsewhere = await serve(t, (request, response) => {
    asked.push(request.url ?? '');
    response.end('{"tags":[]}');
  });
  const origin = await serve(t, (_request, response) => {
    response.writeHead(200, { link: `<${elsewhere}/v2/a/b/tags/list?last=x>; rel="next"` });
    response.end('{"tags":["x"]}');
  });
  await t.throwsAsync(repositoryAt(t, origin).tags(), { code: 'REGISTRY_PROTOCOL' });
  t.deepEqual(asked, []);
});

test('a redirect in circles is given up', async (t) => {
  const origin = await serve(t, (request, response) => {
    response.writeHead(302, { location: request.url ?? '/' });
    response.end();
  });
  await t.throwsAsync(repositoryAt(t, origin).manifest('v1'), { code: 'REGISTRY_PROTOCOL' });
});

test('a redirect never leaves https for http, nor the web', (t) => {
  const from = new URL('https://registry.example/v2/a/b/blobs/x');
  t.is(redirectTarget('https://cdn.example/x', from).href, 'https://cdn.example/x');
  for (const location of ['http://registry.example/x', 'file:///etc/passwd', 'ftp://a/b', 'http://[']) {
    t.throws(() => redirectTarget(location, from), { code: 'REGISTRY_PROTOCOL' });
  }
});
