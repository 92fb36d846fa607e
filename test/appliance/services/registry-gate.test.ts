import { randomBytes } from 'node:crypto';
import https from 'node:https';

import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';

import { digestOf } from '../../../appliance/kernel/digest.ts';
import { silentLog } from '../../../appliance/kernel/log.ts';
import { startRegistryGate } from '../../../appliance/services/registry-gate.ts';
import { gateDecision } from '../../../appliance/services/registry-writes.ts';
import { memoryRegistry } from '../../../mirror/memory-registry.ts';
import { registryClient } from '../../../mirror/registry-client.ts';
import { imageOf, push } from '../../mirror/support/images.ts';
import { siteTls } from './site-tls.ts';

const DIGEST = digestOf('anything');

const refused: readonly (readonly [string, string])[] = [
  ['PUT', '/v2/registry.k8s.io/kube-proxy/manifests/v1.34.1'],
  ['POST', '/v2/ghcr.io/acme/app/blobs/uploads/'],
  ['PATCH', '/v2/docker.io/library/nginx/blobs/uploads/some-id?_state=x'],
  ['PUT', '/v2/localhost/app/manifests/v1'],
  ['PUT', '/v2/registry:5000/app/manifests/v1'],
  ['DELETE', `/v2/team/app/manifests/${DIGEST}`],
  ['PUT', '/v2/team/../ghcr.io/acme/app/manifests/v1'],
  ['PUT', '/v2/team%2f..%2fghcr.io/acme/app/manifests/v1'],
  ['PUT', '/v2//ghcr.io/acme/app/manifests/v1'],
  ['PUT', '/v2/./ghcr.io/acme/app/manifests/v1'],
  ['PUT', 'http://registry/v2/team/app/manifests/v1'],
  ['POST', '/v2/_catalog'],
  ['OPTIONS', '/v2/'],
  ['CONNECT', '/v2/team/app/manifests/v1'],
];
for (const [method, target] of refused) {
  test(`${method} ${target} is refused`, (t) => {
    t.is(gateDecision(method, target).kind, 'refuse');
  });
}

const passed: readonly (readonly [string, string])[] = [
  ['GET', '/v2/registry.k8s.io/kube-proxy/manifests/v1.34.1'],
  ['HEAD', `/v2/ghcr.io/acme/app/blobs/${DIGEST}`],
  ['PUT', '/v2/team/app/manifests/v1'],
  ['PUT', `/v2/app/manifests/${DIGEST}`],
  ['POST', `/v2/team/app/blobs/uploads/?mount=${DIGEST}&from=ghcr.io/acme/app`],
  ['PATCH', '/v2/team/sub.group/app/blobs/uploads/some-id?_state=x'],
];
for (const [method, target] of passed) {
  test(`${method} ${target} is passed on`, (t) => {
    t.is(gateDecision(method, target).kind, 'pass');
  });
}

test('whatever is written, no path that is passed on names a host or a way around', (t) => {
  const segment = fc.constantFrom(
    'team',
    'ghcr.io',
    'a.b',
    'x:1',
    '..',
    '.',
    '',
    '%2e%2e',
    'localhost',
    'manifests',
    'blobs',
    'uploads',
    'v2',
    'v1',
  );
  const target = fc.array(segment, { maxLength: 8 }).map((parts) => `/v2/${parts.join('/')}`);
  fc.assert(
    fc.property(fc.constantFrom('PUT', 'POST', 'PATCH'), target, (method, at) => {
      if (gateDecision(method, at).kind === 'refuse') return;
      // What a server that tidies paths would make of it is the same path, and its first segment is no host.
      t.is(new URL(at, 'https://registry').pathname, at);
      const [first = '', second = ''] = at.slice('/v2/'.length).split('/');
      const isOneSegment = second === 'manifests' || second === 'blobs';
      t.true(isOneSegment || !/[.:]|^localhost$/.test(first), at);
    }),
    { numRuns: 2000 },
  );
});

async function gateBefore(t: ExecutionContext) {
  const registry = await memoryRegistry().listen();
  const site = await siteTls(t);
  const abort = new AbortController();
  const running = await startRegistryGate({
    listen: { host: '127.0.0.1', port: 0 },
    to: new URL(registry.origin),
    tlsDir: site.folder,
    log: silentLog,
    signal: abort.signal,
  });
  const client = registryClient({ mirrors: { '*': `https://127.0.0.1:${running.port}` }, ca: site.ca });
  t.teardown(async () => {
    await client.close();
    abort.abort();
    await running.closed;
    await registry.close();
  });
  return { client, port: running.port, ca: site.ca, behind: registry.origin };
}

test("a site's own image is pushed and read through the gate, large layers too", async (t) => {
  const { client } = await gateBefore(t);
  const repository = client.repository({ host: 'team', repository: 'app' });
  const layer = randomBytes(3_000_000);
  await push(repository, imageOf(layer), 'v1');
  const chunks: Buffer[] = [];
  const blob = { mediaType: 'application/octet-stream', digest: digestOf(layer), size: layer.byteLength };
  for await (const chunk of repository.readBlob(blob)) chunks.push(Buffer.from(chunk));
  t.true(Buffer.concat(chunks).equals(layer));
});

test("an image under another registry's name is refused through the gate, and read", async (t) => {
  const { client, behind } = await gateBefore(t);
  const name = { host: 'ghcr.io', repository: 'acme/app' };
  await t.throwsAsync(push(client.repository(name), imageOf('a layer'), 'v1'));
  const installer = registryClient({ mirrors: { '*': behind } });
  t.teardown(async () => await installer.close());
  await push(installer.repository(name), imageOf('a layer'), 'v1');
  t.not(await client.repository(name).manifest('v1'), undefined);
});

test('a refusal is told in the form that registry clients show', async (t) => {
  const { port, ca } = await gateBefore(t);
  const answer = await new Promise<string>((resolve, reject) => {
    const options = { method: 'PUT', ca, headers: { 'content-length': 2 } };
    const request = https.request(`https://127.0.0.1:${port}/v2/ghcr.io/a/b/manifests/v1`, options, (response) => {
      let body = `${response.statusCode} `;
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve(body));
    });
    request.on('error', reject).end('{}');
  });
  t.is(
    answer,
    '403 {"errors":[{"code":"DENIED","message":"ghcr.io/a/b is another registry\'s name: only a bundle brings it"}]}',
  );
});
