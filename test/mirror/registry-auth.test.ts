import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';

import test from 'ava';
import fc from 'fast-check';
import { parseChallenges, tokenRealm } from '../../mirror/auth-challenge.ts';
import { type CredentialSource, dockerConfigCredentials } from '../../mirror/credentials.ts';
import { memoryRegistry } from '../../mirror/memory-registry.ts';
import { blobOf, collect, sliceOf } from './support/images.ts';
import { type Respond, repositoryAt, serve } from './support/server.ts';

const alice: CredentialSource = {
  credentialsFor: async () => ({ kind: 'password', username: 'alice', password: 's3cret' }),
};
const BASIC = `Basic ${Buffer.from('alice:s3cret').toString('base64')}`;

/** A registry that asks for tokens, and gives them for the right password. */
function guarded(options: { tokens?: string[] } = {}): { respond: Respond; asked: IncomingMessage[] } {
  const registry = memoryRegistry();
  const asked: IncomingMessage[] = [];
  const { tokens = ['token-1'] } = options;
  let current = 0;
  return {
    asked,
    respond: (request, response) => {
      const host = request.headers.host ?? '';
      if (request.url?.startsWith('/token') === true) {
        asked.push(request);
        const token = tokens[Math.min(asked.length, tokens.length) - 1];
        response.writeHead(request.headers.authorization === BASIC ? 200 : 401);
        response.end(JSON.stringify({ token }));
        current = Math.min(asked.length, tokens.length) - 1;
      } else if (request.headers.authorization === `Bearer ${tokens[current] ?? ''}` && asked.length > 0) {
        registry.handle(request, response);
      } else {
        request.resume();
        response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token",service="test"` });
        response.end();
      }
    },
  };
}

test('a token is fetched once for what it is good for, with the scopes needed', async (t) => {
  const { respond, asked } = guarded();
  const repository = repositoryAt(t, await serve(t, respond), { credentials: alice });
  const { descriptor, bytes } = blobOf('content');
  await repository.putBlob(descriptor, sliceOf(bytes));
  t.is((await collect(repository.readBlob(descriptor))).toString(), 'content');
  t.is(await repository.blobSize(descriptor.digest), 7);
  t.deepEqual(
    asked.map(({ url }) => url),
    [
      '/token?service=test&scope=repository%3Aa%2Fb%3Apull%2Cpush',
      '/token?service=test&scope=repository%3Aa%2Fb%3Apull',
    ],
  );
});

test('a wrong password is an error that does not tell it', async (t) => {
  const { respond } = guarded();
  const mallory: CredentialSource = {
    credentialsFor: async () => ({ kind: 'password', username: 'mallory', password: 'hunter2' }),
  };
  const repository = repositoryAt(t, await serve(t, respond), { credentials: mallory });
  const error = await t.throwsAsync(repository.manifest('v1'), { code: 'REGISTRY_UNAUTHORIZED' });
  t.false(inspect(error, { depth: 10 }).includes('hunter2'));
});

test('a registry that asks for a password gets it by Basic', async (t) => {
  const registry = memoryRegistry();
  const origin = await serve(t, (request, response) => {
    if (request.headers.authorization === BASIC) registry.handle(request, response);
    else response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
  });
  t.is(await repositoryAt(t, origin, { credentials: alice }).manifest('v1'), undefined);
  await t.throwsAsync(repositoryAt(t, origin).manifest('v1'), { code: 'REGISTRY_UNAUTHORIZED' });
});

test('a token that is refused is renewed once', async (t) => {
  const registry = memoryRegistry();
  let issued = 0;
  let accepted = 'token-1';
  const origin = await serve(t, (request, response) => {
    if (request.url?.startsWith('/token') === true) {
      issued += 1;
      response.end(JSON.stringify({ access_token: `token-${issued}` }));
    } else if (request.headers.authorization === `Bearer ${accepted}`) {
      registry.handle(request, response);
    } else {
      const realm = `http://${request.headers.host ?? ''}/token`;
      response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}"` }).end();
    }
  });
  const repository = repositoryAt(t, origin, { credentials: alice });
  t.is(await repository.manifest('v1'), undefined);
  accepted = 'token-2';
  t.is(await repository.manifest('v1'), undefined);
  t.is(issued, 2);
  accepted = 'none';
  await t.throwsAsync(repository.manifest('v1'), { code: 'REGISTRY_UNAUTHORIZED' });
});

test('credentials do not follow a redirect to another origin, nor does its challenge get an answer', async (t) => {
  const { descriptor, bytes } = blobOf('content');
  const seen: (string | undefined)[] = [];
  let asks = false;
  const thief = await serve(t, (request, response) => {
    seen.push(request.headers.authorization);
    if (asks) response.writeHead(401, { 'www-authenticate': 'Basic realm="give"' }).end();
    else response.end(bytes);
  });
  const origin = await serve(t, (request, response) => {
    if (request.headers.authorization !== BASIC) {
      response.writeHead(401, { 'www-authenticate': 'Basic realm="test"' }).end();
    } else response.writeHead(307, { location: `${thief}/blob` }).end();
  });
  const repository = repositoryAt(t, origin, { credentials: alice });
  t.is((await collect(repository.readBlob(descriptor))).toString(), 'content');
  asks = true;
  await t.throwsAsync(collect(repository.readBlob(descriptor)), { code: 'REGISTRY_UNAUTHORIZED' });
  t.deepEqual(seen, [undefined, undefined]);
});

test('a token server without TLS on another host gets no credentials', (t) => {
  const realm = (text: string, registry: string): boolean =>
    'url' in tokenRealm({ scheme: 'bearer', parameters: new Map([['realm', text]]) }, registry);
  t.true(realm('https://auth.docker.io/token', 'https://registry-1.docker.io'));
  t.true(realm('http://127.0.0.1:5001/token', 'http://127.0.0.1:5000'));
  t.false(realm('http://auth.docker.io/token', 'https://registry-1.docker.io'));
  t.false(realm('http://evil.example/token', 'http://127.0.0.1:5000'));
  t.false(realm('https://user:password@evil.example/token', 'https://registry.example'));
  t.false(realm('not a url', 'https://registry.example'));
});

test('challenges are read as RFC 9110 writes them', (t) => {
  const [bearer, basic] = parseChallenges(
    'Bearer realm="https://a/token",service="a \\"b\\"", scope="repository:x:pull,push" , Basic realm=simple',
  );
  t.is(bearer?.scheme, 'bearer');
  t.deepEqual(Object.fromEntries(bearer?.parameters ?? []), {
    realm: 'https://a/token',
    service: 'a "b"',
    scope: 'repository:x:pull,push',
  });
  t.deepEqual([basic?.scheme, basic?.parameters.get('realm')], ['basic', 'simple']);
});

test('any text is read without a throw and in no time', (t) => {
  fc.assert(fc.property(fc.string(), (text) => Array.isArray(parseChallenges(text))));
  t.true(parseChallenges(`Bearer ${'a="'.repeat(5000)}`).length >= 1);
});

test('docker config: credentials by host, Docker Hub by its old name, helpers for the rest', async (t) => {
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-auth-'));
  t.teardown(async () => await rm(folder, { recursive: true }));
  const helper = path.join(folder, 'docker-credential-test');
  await writeFile(
    helper,
    '#!/bin/sh\nread host\n[ "$host" = unknown.example ] && echo "credentials not found" && exit 1\n' +
      'echo "{\\"Username\\":\\"<token>\\",\\"Secret\\":\\"for $host\\"}"\n',
  );
  await chmod(helper, 0o755);
  process.env['PATH'] = `${folder}:${process.env['PATH'] ?? ''}`;
  const file = path.join(folder, 'config.json');
  const auth = Buffer.from('alice:s3:cret').toString('base64');
  const config = {
    auths: { 'https://index.docker.io/v1/': { auth }, 'registry.example:5000': { identitytoken: 'refresh' } },
    credHelpers: { 'helped.example': 'test', 'unknown.example': 'test' },
  };
  await writeFile(file, JSON.stringify(config));
  const source = await dockerConfigCredentials(file);
  t.deepEqual(await source.credentialsFor('registry-1.docker.io'), {
    kind: 'password',
    username: 'alice',
    password: 's3:cret',
  });
  t.deepEqual(await source.credentialsFor('registry.example:5000'), {
    kind: 'identityToken',
    identityToken: 'refresh',
  });
  t.deepEqual(await source.credentialsFor('helped.example'), {
    kind: 'identityToken',
    identityToken: 'for helped.example',
  });
  t.is(await source.credentialsFor('unknown.example'), undefined);
  t.is(await source.credentialsFor('registry.example'), undefined);
});

test('a docker config that is none is refused', async (t) => {
  await t.throwsAsync(dockerConfigCredentials('/nowhere/config.json'), { code: 'REGISTRY_AUTH_INVALID' });
});
