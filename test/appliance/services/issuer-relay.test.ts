import test, { type ExecutionContext } from 'ava';

import { boundedFetch } from '../../../appliance/kernel/bounded-fetch.ts';
import { clockAt } from '../../../appliance/kernel/clock.ts';
import { silentLog } from '../../../appliance/kernel/log.ts';
import { IssuerDocuments, issuerAnswer } from '../../../appliance/services/issuer-documents.ts';
import { relayHandler, startIssuerRelay } from '../../../appliance/services/issuer-relay.ts';
import { siteTls } from './site-tls.ts';

const ISSUER = 'https://kubernetes.default.svc.cluster.local';

function discovery(change: Record<string, unknown> = {}): string {
  return JSON.stringify({
    issuer: ISSUER,
    jwks_uri: 'https://10.88.0.11:6443/openid/v1/jwks',
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['RS256'],
    ...change,
  });
}

const KEYS = JSON.stringify({ keys: [{ kty: 'RSA', kid: 'a', use: 'sig', alg: 'RS256', n: 'AQAB', e: 'AQAB' }] });

function apiServer(documents: Record<string, string> = {}) {
  const asked: string[] = [];
  const answers: Record<string, string> = {
    '/.well-known/openid-configuration': discovery(),
    '/openid/v1/jwks': KEYS,
    ...documents,
  };
  let isUp = true;
  return {
    asked,
    fail: () => (isUp = false),
    raw: async (path: string): Promise<Buffer> => {
      asked.push(path);
      if (!isUp) throw new Error('connection refused');
      return Buffer.from(answers[path] ?? '');
    },
  };
}

function relay(api = apiServer()) {
  const clock = clockAt('2026-01-01T00:00:00Z');
  const documents = new IssuerDocuments({ raw: api.raw, clock, log: silentLog });
  const handler = relayHandler(documents, silentLog);
  return {
    api,
    clock,
    get: async (path: string) => await handler({ method: 'GET', path, rawPath: path, headers: {} }),
  };
}

test("the keys are at the issuer's own host, whatever the API server says", async (t) => {
  const { get } = relay();
  const { status, body } = await get('/.well-known/openid-configuration');
  t.is(status, 200);
  const document = JSON.parse(String(body)) as Record<string, unknown>;
  t.is(document['issuer'], ISSUER);
  t.is(document['jwks_uri'], `${ISSUER}/openid/v1/jwks`);
  t.is(String((await get('/openid/v1/jwks')).body), KEYS);
});

test('an issuer with a path has its documents below the path', async (t) => {
  const { get } = relay(
    apiServer({ '/.well-known/openid-configuration': discovery({ issuer: 'https://oidc.example/id/1' }) }),
  );
  t.is((await get('/.well-known/openid-configuration')).status, 404);
  const document = JSON.parse(String((await get('/id/1/.well-known/openid-configuration')).body)) as object;
  t.like(document, { jwks_uri: 'https://oidc.example/id/1/openid/v1/jwks' });
});

test('the API server is asked once a minute at most', async (t) => {
  const { get, api, clock } = relay();
  await Promise.all([get('/openid/v1/jwks'), get('/openid/v1/jwks')]);
  await get('/.well-known/openid-configuration');
  t.is(api.asked.length, 2);
  clock.advance(60_000);
  await get('/openid/v1/jwks');
  t.is(api.asked.length, 4);
});

test('the last good documents are served while the API server is away', async (t) => {
  const { get, api, clock } = relay();
  await get('/openid/v1/jwks');
  api.fail();
  clock.advance(3_600_000);
  t.is(String((await get('/openid/v1/jwks')).body), KEYS);
});

test('without documents it is not ready', async (t) => {
  const { get, api } = relay();
  api.fail();
  t.is((await get('/readyz')).status, 503);
  t.is((await get('/openid/v1/jwks')).status, 503);
  t.is((await get('/healthz')).status, 200);
});

test('private key parameters never go out', (t) => {
  const leaking = JSON.stringify({ keys: [{ kty: 'RSA', n: 'AQAB', e: 'AQAB', d: 'secret' }] });
  t.false(issuerAnswer(Buffer.from(discovery()), Buffer.from(leaking)).keys.includes('secret'));
});

for (const [why, document, keys] of [
  ['an issuer without TLS', discovery({ issuer: 'http://x' }), KEYS],
  ['another issuer than the expected one', discovery({ issuer: 'https://other.example' }), KEYS],
  ['no keys', discovery(), '{"keys":[]}'],
  ['a symmetric key', discovery(), '{"keys":[{"kty":"oct","k":"x"}]}'],
  ['what is no JSON', 'Forbidden', KEYS],
] as const) {
  test(`${why} is refused`, (t) => {
    t.throws(() => issuerAnswer(Buffer.from(document), Buffer.from(keys), ISSUER), { code: 'DISCOVERY_INVALID' });
  });
}

test("it answers over HTTPS under the issuer's name", async (t: ExecutionContext) => {
  const { ca, folder } = await siteTls(t, 'kubernetes.default.svc.cluster.local');
  const abort = new AbortController();
  const source = { raw: apiServer().raw, clock: clockAt('2026-01-01'), log: silentLog, issuer: ISSUER };
  const running = await startIssuerRelay(source, {
    listen: { host: '127.0.0.1', port: 0 },
    tlsDir: folder,
    log: silentLog,
    signal: abort.signal,
  });
  const url = new URL(`https://localhost:${running.port}/openid/v1/jwks`);
  const { headers, body } = await boundedFetch(url, { ca, maxBytes: 10_000 });
  t.is(headers['content-type'], 'application/jwk-set+json');
  t.is(body.toString(), KEYS);
  abort.abort();
  await running.closed;
});
