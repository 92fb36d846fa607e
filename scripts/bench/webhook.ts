import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import https from 'node:https';

import { type Digest, digestOf } from '../../appliance/kernel/digest.ts';
import { silentLog } from '../../appliance/kernel/log.ts';
import { parsePolicy } from '../../appliance/verification/policy.ts';
import { policySet } from '../../appliance/verification/policy-set.ts';
import { NO_SECRET_KEYS } from '../../appliance/verification/secret-keys.ts';
import { trustDomains } from '../../appliance/verification/trust-domains.ts';
import type { Verdict } from '../../appliance/verification/verdict.ts';
import { verifyImage } from '../../appliance/verification/verify-image.ts';
import { webhookHandler } from '../../appliance/webhook/handler.ts';
import { judgingWorld } from '../../appliance/webhook/judging-world.ts';
import { ENFORCE_EVERYWHERE } from '../../appliance/webhook/namespace-modes.ts';
import { startServer } from '../../appliance/webhook/server.ts';
import { VerdictCache } from '../../appliance/webhook/verdict-cache.ts';
import { webhookMetrics } from '../../appliance/webhook/webhook-metrics.ts';
import { sigstoreWorld } from '../../test/support/sigstore-world.ts';
import { createServerCertificate, createSiteCa, validFor } from '../../trust-root/certificates.ts';
import { generateKey } from '../../trust-root/keys.ts';
import { measureInTurns, timingTable } from './measure.ts';

const IDENTITY = { issuer: 'https://token.actions.example', subject: 'https://github.com/acme/app/release@v1' };
const CONTAINERS = 10;
const IMAGES = 300;
const ROUNDS = 2000;
const CLIENTS = 16;

/**
 * The webhook over HTTPS on loopback, client and server in one process: a Pod of ten containers under three policies,
 * its verdicts known; an image never judged before, its evidence in memory; and reviews per second from 16 connections.
 */
export async function benchWebhook(): Promise<void> {
  const site = benchSite();
  const { ask, close } = await serve(site.handler);
  const warm = podReview(site.images.slice(0, CONTAINERS));
  let next = CONTAINERS;
  const timings = await measureInTurns(
    [
      { name: `warm: ${CONTAINERS} containers, 3 policies`, run: async () => await ask(warm) },
      { name: 'an answer of the server alone (/healthz)', run: async () => await ask(undefined) },
    ],
    ROUNDS,
  );
  const cold = await measureInTurns(
    [
      {
        name: 'cold: one image, keyless',
        run: async () => await ask(podReview([site.images[next++] ?? site.images[0]])),
      },
    ],
    IMAGES - CONTAINERS - 40,
  );
  console.log(`\nThe webhook over HTTPS\n${timingTable([...cold, ...timings])}`);
  const started = performance.now();
  await Promise.all(
    Array.from({ length: CLIENTS }, async () => await repeat(ROUNDS / CLIENTS, async () => await ask(warm))),
  );
  const perSecond = Math.round((ROUNDS / (performance.now() - started)) * 1000);
  console.log(`${CLIENTS} connections: ${perSecond} warm reviews a second, the client's work included`);
  await close();
}

async function repeat(times: number, work: () => Promise<unknown>): Promise<void> {
  for (let n = 0; n < times; n += 1) await work();
}

/** Signed images, three policies that want their signer, and a handler over them. */
function benchSite() {
  const world = sigstoreWorld({ name: 'upstream.example' });
  const images = Array.from({ length: IMAGES }, (_, n) => digestOf(`image ${n}`));
  const name = 'ghcr.io/acme/app';
  const signed = new Map(
    images.map((digest) => [digest, world.signImage({ name, digest }, { identity: IDENTITY, log: 2 }).document]),
  );
  const index = {
    mediaType: 'application/vnd.oci.image.index.v1+json',
    repositories: [name],
    children: [],
    evidence: [],
  };
  const cache = new VerdictCache<Verdict>({ maxEntries: 20_000, maxBytes: 64 * 1024 * 1024 }, world.clock);
  const judging = judgingWorld({
    generation: {
      number: 1,
      versions: {},
      signedAt: world.clock.now(),
      expiries: [],
      targetNames: () => [],
      target: async () => Buffer.alloc(0),
      targetCustom: () => ({}),
    },
    index: { schemaVersion: 1, images: Object.fromEntries(images.map((digest) => [digest, index])), tags: {} },
    syncedEvidence: { evidenceFor: async ({ digest }) => [signed.get(digest)].filter((one) => one !== undefined) },
    domains: trustDomains([world.domain()], { defaultName: world.name }),
    floorDomains: trustDomains([world.domain()], { defaultName: world.name }),
    policies: policySet(['ghcr.io/acme/**', 'ghcr.io/**', '**'].map(benchPolicy)),
    secretKeys: NO_SECRET_KEYS,
    modes: ENFORCE_EVERYWHERE,
    registry: undefined,
    cache,
    verify: verifyImage,
    clock: world.clock,
  });
  const zero = (): number => 0;
  const handler = webhookHandler({
    world: { current: () => judging },
    documentFault: () => undefined,
    readiness: () => ({ ready: true, details: {} }),
    metrics: webhookMetrics({
      generation: zero,
      trustAgeSeconds: zero,
      trustExpirySeconds: zero,
      policies: zero,
      faults: zero,
      cache: () => cache.statistics(),
    }),
    log: silentLog,
  });
  return { handler, images };
}

function benchPolicy(glob: string, n: number) {
  return parsePolicy({
    apiVersion: 'policy.sigstore.dev/v1beta1',
    kind: 'ClusterImagePolicy',
    metadata: { name: `policy-${n}` },
    spec: {
      images: [{ glob }],
      authorities: [{ keyless: { url: 'https://fulcio.upstream.example', identities: [IDENTITY] } }],
    },
  });
}

function podReview(digests: readonly (Digest | undefined)[]): Buffer {
  const containers = digests.map((digest, n) => ({ name: `c${n}`, image: `ghcr.io/acme/app:v1@${digest ?? ''}` }));
  const version = { group: '', version: 'v1' };
  const request = {
    uid: '00000000-0000-0000-0000-000000000000',
    kind: { ...version, kind: 'Pod' },
    resource: { ...version, resource: 'pods' },
    namespace: 'shop',
    operation: 'CREATE',
    object: { metadata: { name: 'web', namespace: 'shop' }, spec: { containers } },
    oldObject: null,
  };
  return Buffer.from(JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request }));
}

async function serve(handler: Parameters<typeof startServer>[0]['handler']) {
  const caKey = generateKey('p256');
  const key = generateKey('p256');
  const validity = validFor(new Date(Date.now() - 60_000), 1);
  const ca = await createSiteCa({ subject: { commonName: 'Bench CA', organization: 'Bench' }, key: caKey, validity });
  const issuer = { certificate: ca, key: caKey };
  const subject = { subject: { commonName: 'webhook', organization: 'Bench' }, key, validity, issuer };
  const cert = await createServerCertificate(subject, { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] });
  const pair = { cert: Buffer.from(cert), key: Buffer.from(key.export({ type: 'pkcs8', format: 'pem' })) };
  const server = await startServer({ host: '127.0.0.1', port: 0, pair, handler, log: silentLog });
  const agent = new https.Agent({ keepAlive: true, maxSockets: CLIENTS, ca });
  const ask = async (body: Buffer | undefined): Promise<void> => {
    const [method, where] = body === undefined ? ['GET', '/healthz'] : ['POST', '/validate?timeout=10s'];
    const request = https.request({ host: '127.0.0.1', port: server.port, method, path: where, agent });
    request.end(body);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
    const answer = Buffer.concat(chunks).toString();
    if (body !== undefined && !answer.includes('"allowed":true')) throw new Error(`not admitted: ${answer}`);
  };
  const close = async (): Promise<void> => {
    agent.destroy();
    await server.drain(0);
  };
  return { ask, close };
}
