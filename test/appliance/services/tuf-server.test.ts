import https from 'node:https';
import tls from 'node:tls';

import test, { type ExecutionContext } from 'ava';

import { boundedFetch } from '../../../appliance/kernel/bounded-fetch.ts';
import { silentLog } from '../../../appliance/kernel/log.ts';
import { startHttpsService } from '../../../appliance/services/https-service.ts';
import { TufFiles } from '../../../appliance/services/tuf-files.ts';
import { startTufServer, tufHandler } from '../../../appliance/services/tuf-server.ts';
import { MemoryRepositoryStore } from '../../../trust-root/repository-store-memory.ts';
import { timestampOf } from '../../contracts/repository-store.ts';
import { siteTls } from './site-tls.ts';

const TARGET = `targets/upstream/sigstore.dev/${'a'.repeat(64)}.trusted_root.json`;

async function published(): Promise<MemoryRepositoryStore> {
  const store = new MemoryRepositoryStore();
  const files = { '1.root.json': 'root', 'root.json': 'root', '1.snapshot.json': 'snapshot', [TARGET]: 'target' };
  const all = new Map<string, Buffer>(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)]));
  await store.publish(all.set('timestamp.json', timestampOf(1)), { timestampVersion: undefined });
  return store;
}

async function serving(store: MemoryRepositoryStore) {
  const files = new TufFiles(store, silentLog);
  await files.look();
  const handler = tufHandler(files);
  return {
    files,
    get: async (path: string, headers = {}) => await handler({ method: 'GET', path, rawPath: path, headers }),
  };
}

test('files are served by their names', async (t) => {
  const { get } = await serving(await published());
  t.is(String((await get('/1.root.json')).body), 'root');
  t.is(String((await get(`/${TARGET}`)).body), 'target');
  t.deepEqual((await get('/timestamp.json')).body, timestampOf(1));
});

for (const path of ['/2.root.json', '/', '/targets', '/../etc/passwd', '//1.root.json', '/1.root.json/', '/.hidden']) {
  test(`${path} is not found, and the answer is not kept by a cache`, async (t) => {
    const { get } = await serving(await published());
    const { status, headers } = await get(path);
    t.is(status, 404);
    t.is(headers?.['cache-control'], 'no-store');
  });
}

test('only what is never replaced may be kept by a cache', async (t) => {
  const { get } = await serving(await published());
  const cached = async (path: string) => (await get(path)).headers?.['cache-control'];
  t.is(await cached('/1.snapshot.json'), 'public, max-age=31536000, immutable');
  t.is(await cached('/timestamp.json'), 'no-cache');
  t.is(await cached('/root.json'), 'no-cache');
});

test('what the client has is not sent again', async (t) => {
  const { get } = await serving(await published());
  const etag = (await get('/timestamp.json')).headers?.['etag'];
  t.is((await get('/timestamp.json', { 'if-none-match': etag })).status, 304);
});

test('without a repository the server is not ready, and asks for patience', async (t) => {
  const { get } = await serving(new MemoryRepositoryStore());
  t.is((await get('/readyz')).status, 503);
  t.is((await get('/timestamp.json')).status, 503);
  t.is((await get('/healthz')).status, 200);
});

test('the metadata of a role whose name has a slash is found under its encoded name', async (t) => {
  const store = await published();
  const odd = new Map<string, Buffer>([['2.a%2Fb.json', Buffer.from('odd')]]);
  await store.publish(odd.set('timestamp.json', timestampOf(2)), { timestampVersion: 1 });
  const { files } = await serving(store);
  const answer = await tufHandler(files)({ method: 'GET', path: '/2.a/b.json', rawPath: '/2.a%2Fb.json', headers: {} });
  t.is(String(answer.body), 'odd');
});

test('a new state is shown whole, after the next look', async (t) => {
  const store = await published();
  const { get, files } = await serving(store);
  const next = new Map<string, Buffer>([['2.snapshot.json', Buffer.from('two')]]);
  await store.publish(next.set('timestamp.json', timestampOf(2)), { timestampVersion: 1 });
  t.is((await get('/2.snapshot.json')).status, 404);
  await files.look();
  t.is(String((await get('/2.snapshot.json')).body), 'two');
  t.deepEqual((await get('/timestamp.json')).body, timestampOf(2));
});

test('a new root is shown even when the timestamp stays', async (t) => {
  const store = await published();
  const { get, files } = await serving(store);
  await store.publish(
    new Map([
      ['2.root.json', Buffer.from('2')],
      ['root.json', Buffer.from('2')],
    ]),
    {
      timestampVersion: 1,
    },
  );
  await files.look();
  t.is(String((await get('/2.root.json')).body), '2');
});

test('while the store is away the last state is served, all of it', async (t) => {
  class StoreThatGoesAway extends MemoryRepositoryStore {
    isAway = false;
    override async read(name: string): Promise<Buffer | undefined> {
      if (this.isAway) throw new Error('away');
      return await super.read(name);
    }
  }
  const store = new StoreThatGoesAway((await published()).snapshot());
  const { get, files } = await serving(store);
  store.isAway = true;
  await files.look();
  t.is(String((await get(`/${TARGET}`)).body), 'target');
  t.is((await get('/readyz')).status, 200);
});

async function server(t: ExecutionContext) {
  const { ca, folder } = await siteTls(t);
  const abort = new AbortController();
  const running = await startTufServer(await published(), {
    listen: { host: '127.0.0.1', port: 0 },
    tlsDir: folder,
    log: silentLog,
    signal: abort.signal,
  });
  t.teardown(async () => {
    abort.abort();
    await running.closed;
  });
  const url = (path: string): URL => new URL(path, `https://localhost:${running.port}`);
  return { ca, url, get: async (path: string) => await boundedFetch(url(path), { ca, maxBytes: 10_000 }) };
}

test('it answers over HTTPS under the site CA, percent-encoded names too', async (t) => {
  const { get } = await server(t);
  const { status, body, headers } = await get('/1.root%2Ejson');
  t.is(status, 200);
  t.is(body.toString(), 'root');
  t.is(headers['content-type'], 'application/json');
  t.is((await get('/%zz')).status, 400);
  t.is((await get('/..%2f..%2fetc%2fpasswd')).status, 404);
});

test('a client that does not know the site CA does not get through', async (t) => {
  const { url } = await server(t);
  await t.throwsAsync(boundedFetch(url('/1.root.json'), { maxBytes: 10_000 }), { code: 'FETCH_FAILED' });
});

test('other methods are refused', async (t) => {
  const { ca, url } = await server(t);
  const status = await new Promise((resolve, reject) => {
    const outgoing = https.request(url('/timestamp.json'), { method: 'PUT', ca }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    outgoing.on('error', reject);
    outgoing.end('x');
  });
  t.is(status, 405);
});

test('a new certificate is served without a restart', async (t) => {
  const { ca, folder, renew } = await siteTls(t);
  const abort = new AbortController();
  const waits: (() => void)[] = [];
  let waited = (): void => undefined;
  const running = await startHttpsService({
    listen: { host: '127.0.0.1', port: 0 },
    tlsDir: folder,
    handler: () => ({ status: 204 }),
    log: silentLog,
    signal: abort.signal,
    wait: async () => {
      waited();
      await new Promise<void>((resolve) => waits.push(resolve));
    },
  });
  t.teardown(() => abort.abort());
  const before = await serialAt(running.port, ca);
  await renew();
  t.is(await serialAt(running.port, ca), before);
  const looked = new Promise<void>((resolve) => {
    waited = resolve;
  });
  waits[0]?.();
  await looked;
  t.not(await serialAt(running.port, ca), before);
});

async function serialAt(port: number, ca: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    const socket = tls.connect({ host: '127.0.0.1', port, ca, servername: 'localhost' }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.once('error', reject);
  });
}
