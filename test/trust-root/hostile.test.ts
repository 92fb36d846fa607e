import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import test from 'ava';
import fc from 'fast-check';
import { matchesPathPattern } from '../../trust-root/tuf-delegations.ts';
import { parseRoot, parseTargets } from '../../trust-root/tuf-documents.ts';
import { urlTransport } from '../../trust-root/tuf-transport.ts';
import { TufSimulator } from './world/tuf-simulator.ts';

const INVALID = { code: 'METADATA_INVALID' };
const targets = (fields: object): Buffer =>
  Buffer.from(
    JSON.stringify({
      signed: {
        _type: 'targets',
        spec_version: '1.0.31',
        version: 1,
        expires: '2030-01-01T00:00:00Z',
        targets: {},
        ...fields,
      },
      signatures: [],
    }),
  );

const hostile: Record<string, () => Buffer> = {
  'no JSON': () => Buffer.from('<html>'),
  nothing: () => Buffer.alloc(0),
  'bytes that are not UTF-8': () => Buffer.from([0x7b, 0xff, 0x7d]),
  'JSON nested 100 000 deep': () => Buffer.from('['.repeat(100_000) + ']'.repeat(100_000)),
  'a member twice': () => Buffer.from(targets({}).toString().replace('"version":1', '"version":1,"version":2')),
  'a member twice, once escaped': () =>
    Buffer.from(targets({}).toString().replace('"version":1', '"version":1,"versio\\u006e":2')),
  'a version past 2^53': () => Buffer.from(targets({}).toString().replace('"version":1', '"version":9007199254740993')),
  'a version of zero': () => targets({ version: 0 }),
  'a negative version': () => targets({ version: -1 }),
  'a version that is text': () => targets({ version: '1' }),
  'a version with a fraction': () => targets({ version: 1.5 }),
  'an expiry that never comes': () => targets({ expires: 'never' }),
  'an expiry in another form': () => targets({ expires: '2030-01-01' }),
  'an expiry on a day that does not exist': () => targets({ expires: '2030-13-41T00:00:00Z' }),
  'another major version of the specification': () => targets({ spec_version: '2.0.0' }),
  'another type': () => targets({ _type: 'root' }),
  '100 000 delegations': () =>
    targets({
      delegations: {
        keys: {},
        roles: Array.from({ length: 100_000 }, (_, n) => ({
          name: `${n}`,
          keyids: [],
          threshold: 1,
          terminating: false,
          paths: [],
        })),
      },
    }),
  'a delegation to a top-level role': () =>
    targets({
      delegations: { keys: {}, roles: [{ name: 'root', keyids: [], threshold: 1, terminating: false, paths: [] }] },
    }),
  'two delegations to one role': () => {
    const role = { name: 'a', keyids: [], threshold: 1, terminating: false, paths: [] };
    return targets({ delegations: { keys: {}, roles: [role, role] } });
  },
  'a delegation by paths and by hashes': () =>
    targets({
      delegations: {
        keys: {},
        roles: [{ name: 'a', keyids: [], threshold: 1, terminating: false, paths: [], path_hash_prefixes: [] }],
      },
    }),
  'a target of negative length': () => targets({ targets: { a: { length: -1, hashes: { sha256: '00' } } } }),
  'a target without a hash': () => targets({ targets: { a: { length: 1, hashes: {} } } }),
  'a target whose hash is a path': () => targets({ targets: { a: { length: 1, hashes: { sha256: '../../x' } } } }),
  'two signatures of one key': () =>
    Buffer.from(
      targets({}).toString().replace('"signatures":[]', '"signatures":[{"keyid":"a","sig":""},{"keyid":"a","sig":""}]'),
    ),
  'more than 5 MB': () => targets({ filler: 'x'.repeat(5_000_001) }),
};
for (const [title, make] of Object.entries(hostile)) {
  test(`targets metadata with ${title} is refused`, (t) => {
    t.throws(() => parseTargets(make()), INVALID);
  });
}

test('names like __proto__ and constructor are names and nothing else', (t) => {
  const text = targets({})
    .toString()
    .replace(
      '"targets":{}',
      '"targets":{"__proto__":{"length":1,"hashes":{"sha256":"00"}},"constructor":{"length":1,"hashes":{"sha256":"00"}}}',
    );
  const document = parseTargets(Buffer.from(text));
  t.is(document.targets.get('toString'), undefined);
  t.deepEqual({}.constructor, Object);
});

test('a root whose roles are inherited names is refused', (t) => {
  const root = {
    _type: 'root',
    spec_version: '1.0',
    version: 1,
    expires: '2030-01-01T00:00:00Z',
    keys: {},
    roles: { toString: {} },
  };
  t.throws(() => parseRoot(Buffer.from(JSON.stringify({ signed: root, signatures: [] }))), INVALID);
});

test('whatever bytes come, parsing gives metadata or refuses by name', (t) => {
  const good = targets({ targets: { a: { length: 1, hashes: { sha256: '00' } } } });
  const cut = fc.tuple(fc.nat(good.length), fc.nat(good.length), fc.uint8Array({ maxLength: 8 }));
  const mutated = cut.map(([from, to, bytes]) => Buffer.concat([good.subarray(0, from), bytes, good.subarray(to)]));
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((text) => Buffer.from(text)),
        mutated,
      ),
      (bytes) => {
        try {
          parseTargets(Buffer.from(bytes));
          t.pass();
        } catch (error) {
          t.is((error as { code?: string }).code, 'METADATA_INVALID');
        }
      },
    ),
  );
});

test('a server that sends without end is cut off', async (t) => {
  const world = new TufSimulator();
  const server = http.createServer((request, response) => {
    if (request.url?.endsWith('root.json') === true) response.writeHead(404).end();
    else {
      const chunk = Buffer.alloc(64 * 1024, 0x20);
      const pour = (): void => {
        while (response.write(chunk));
        response.once('drain', pour);
      };
      pour();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const transport = urlTransport(new URL(`http://127.0.0.1:${port}`));
  await t.throwsAsync(() => world.client(undefined, { transport }).refresh(), {
    code: 'FETCH_FAILED',
    message: /16384 bytes/,
  });
  server.closeAllConnections();
  server.close();
});

test('a server that answers nothing is given up', async (t) => {
  const world = new TufSimulator();
  const server = http.createServer(() => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const transport = urlTransport(new URL(`http://127.0.0.1:${port}`), { timeoutMs: 50 });
  await t.throwsAsync(() => world.client(undefined, { transport }).refresh(), {
    code: 'FETCH_FAILED',
    message: /50 ms/,
  });
  server.closeAllConnections();
  server.close();
});

for (const status of [500, 302]) {
  test(`a server that answers ${status} is no server without the file`, async (t) => {
    const world = new TufSimulator();
    const server = http.createServer((_request, response) => response.writeHead(status, { location: '/x' }).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const transport = urlTransport(new URL(`http://127.0.0.1:${port}`));
    await t.throwsAsync(() => world.client(undefined, { transport }).refresh(), { code: 'FETCH_FAILED' });
    server.closeAllConnections();
    server.close();
  });
}

for (const name of ['../secret', 'a/../../secret', '/etc/passwd', 'a//b', './secret', '..']) {
  test(`a target called ${name} reaches no file outside of the repository`, async (t) => {
    const folder = await mkdtemp(path.join(tmpdir(), 'sealift-hostile-'));
    await writeFile(path.join(folder, 'secret'), 'secret');
    const transport = urlTransport(pathToFileURL(path.join(folder, 'repository')));
    await t.throwsAsync(() => transport.fetch({ kind: 'target', path: name, maxBytes: 100 }), { code: 'NAME_INVALID' });
    await rm(folder, { recursive: true });
  });
}

for (const [title, name] of [
  ['percent signs', '%2e%2e/secret'],
  ['a backslash', '..\\secret'],
  ['a question mark', 'a?b'],
  ['a hash sign', 'a#b'],
] as const) {
  test(`a target with ${title} in its name is asked for as it is`, async (t) => {
    const asked: string[] = [];
    const server = http.createServer((request, response) => {
      asked.push(decodeURIComponent(request.url ?? ''));
      response.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const transport = urlTransport(new URL(`http://127.0.0.1:${port}/repo`));
    t.is(await transport.fetch({ kind: 'target', path: name, maxBytes: 100 }), undefined);
    t.deepEqual(asked, [`/repo/targets/${name}`]);
    server.closeAllConnections();
    server.close();
  });
}

const patterns: [name: string, pattern: string, matches: boolean][] = [
  ['upstream/sigstore.dev/trusted_root.json', 'upstream/*/*', true],
  ['upstream/a/b/c', 'upstream/*/*', false],
  ['upstream/a', 'upstream/*/*', false],
  ['site-state/index.json', 'site-state/*', true],
  ['site-state/', 'site-state/*', true],
  ['foo.tgz', '*.tgz', true],
  ['a/foo.tgz', '*.tgz', false],
  ['foo.tgz', 'fo?.tgz', true],
  ['f/o.tgz', 'f?o.tgz', false],
  ['[ab]', '[ab]', true],
  ['a', '[ab]', false],
  ['a', '{a,b}', false],
  ['.hidden', '*', true],
  ['aXbXc', 'a*b*c', true],
  ['abd', 'a*c', false],
  ['', '', true],
  ['a', '', false],
];
for (const [name, pattern, matches] of patterns) {
  test(`the pattern ${JSON.stringify(pattern)} ${matches ? 'covers' : 'does not cover'} ${JSON.stringify(name)}`, (t) => {
    t.is(matchesPathPattern(name, pattern), matches);
  });
}

test('a pattern of a thousand stars is decided at once', (t) => {
  t.false(matchesPathPattern('a'.repeat(5_000), `${'*a'.repeat(1_000)}b`));
});

test('patterns agree with their meaning as regular expressions', (t) => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', '*', '?', '.') });
  fc.assert(
    fc.property(text, text, (name, pattern) => {
      const expression = pattern.replace(/[.]/g, '\\.').replace(/\*/g, '[^/]*').replace(/\?/g, '[^/]');
      t.is(matchesPathPattern(name, pattern), new RegExp(`^${expression}$`).test(name));
    }),
  );
});
