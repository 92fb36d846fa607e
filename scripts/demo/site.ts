import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import https from 'node:https';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { systemClock } from '../../appliance/kernel/clock.ts';
import { silentLog } from '../../appliance/kernel/log.ts';
import { MemoryCluster } from '../../appliance/kube/cluster-memory.ts';
import { startTufServer } from '../../appliance/services/tuf-server.ts';
import { startWebhook } from '../../appliance/webhook/start-webhook.ts';
import { NodeTrust, type TrustState } from '../../daemonset/node-trust.ts';
import { siteMirrors } from '../../daemonset/site-names.ts';
import { type EvidenceIndex, serializeEvidenceIndex } from '../../mirror/evidence-index.ts';
import { memoryRegistry } from '../../mirror/memory-registry.ts';
import { registryClient } from '../../mirror/registry-client.ts';
import type { RegistryClient } from '../../mirror/registry-port.ts';
import { createServerCertificate, createSiteCa, validFor } from '../../trust-root/certificates.ts';
import { pinRoot } from '../../trust-root/follow.ts';
import { nodePaths } from '../../trust-root/generation.ts';
import { initialiseRepository } from '../../trust-root/initialise.ts';
import { exportPlainKeyUnsafe, generateKey } from '../../trust-root/keys.ts';
import { DEFAULT_POLICY } from '../../trust-root/repository-policy.ts';
import { loadRepository } from '../../trust-root/repository-state.ts';
import { MemoryRepositoryStore } from '../../trust-root/repository-store-memory.ts';
import { publishSiteState } from '../../trust-root/site-state.ts';
import { urlTransport } from '../../trust-root/tuf-transport.ts';
import { publishUpstream, type UpstreamCapture } from '../../trust-root/upstream.ts';
import { newRepositoryKeys } from './repository-keys.ts';

/** A site on loopback: its TUF repository, its registry, two nodes' folders and the webhook of one of them. */
export interface Site {
  readonly registry: RegistryClient;
  /** sha256 of root v1, which nodes and webhook were given. */
  readonly rootSha256: string;
  /** Publishes what a bundle brought: upstream trust under its delegation, and which evidence belongs to which image. */
  publish(capture: UpstreamCapture, evidence: EvidenceIndex): Promise<void>;
  /** Lets each node's agent follow the repository to its newest state. */
  sync(): Promise<readonly TrustState[]>;
  startWebhook(policies: readonly object[]): Promise<Admission>;
  close(): Promise<void>;
}

/** Asks the webhook as the API server does. */
export interface Admission {
  review(image: string): Promise<AdmissionAnswer>;
}

/** What the webhook answered. */
export interface AdmissionAnswer {
  readonly allowed: boolean;
  /** The image as the mutation left it. */
  readonly pinned: string;
  readonly message: string;
  readonly ms: number;
}

const CERTIFICATE_DAYS = 365;
const SYNC_DEADLINE_MS = 15_000;
const LOOK_AGAIN_MS = 100;

/** Makes the site in `folder`: keys, certificates, an empty repository, and root v1 on each node. */
export async function makeSite(folder: string): Promise<Site> {
  const stop = new AbortController();
  const clock = systemClock;
  const keys = newRepositoryKeys();
  const store = new MemoryRepositoryStore();
  const root = await initialiseRepository(store, { keys, policy: DEFAULT_POLICY, clock });
  const tls = await servingCertificate(path.join(folder, 'tls'));
  const listen = { host: '127.0.0.1', port: 0 };
  const tuf = await startTufServer(store, { listen, tlsDir: tls.folder, log: silentLog, signal: stop.signal });
  const server = await memoryRegistry().listen();
  const registry = registryClient({ mirrors: siteMirrors(server.origin) });
  const transport = urlTransport(new URL(`https://127.0.0.1:${tuf.port}/`), { ca: tls.ca });
  const nodes = ['node-1', 'node-2'].map((name) => nodePaths(path.join(folder, name, 'var', 'lib', 'sealift')));
  for (const paths of nodes) await pinRoot(paths, root);
  const agents = nodes.map((paths) => new NodeTrust({ paths, transport, registry, clock, log: silentLog }));
  const rootSha256 = createHash('sha256').update(root).digest('hex');
  const ended: Promise<unknown>[] = [tuf.closed];
  return {
    registry,
    rootSha256,
    publish: async (capture, evidence) => {
      const context = {
        store,
        policy: DEFAULT_POLICY,
        clock,
        online: { snapshot: keys.snapshot, timestamp: keys.timestamp },
      };
      const signers = keys.upstream.signers;
      await publishUpstream(context, await loadRepository(store), { captures: [capture], signers });
      const files = new Map([['site-state/evidence-index.json', serializeEvidenceIndex(evidence)]]);
      await publishSiteState(context, await loadRepository(store), { files, signer: keys.siteState });
    },
    sync: async () => {
      const newest = (await loadRepository(store)).timestamp.version;
      return await Promise.all(agents.map(async (agent) => await followUntil(agent, newest)));
    },
    startWebhook: async (policies) => {
      const cluster = await clusterWith(policies);
      const [firstNode] = nodes;
      const stateFolder = firstNode?.base ?? folder;
      const registrySide = { url: new URL(server.origin), ownNames: ['registry.site.internal'] };
      const webhook = await startWebhook({
        ...{ stateFolder, rootSha256, listen, tlsFolder: tls.folder, registry: registrySide, cluster, clock },
        ...{ log: silentLog, signal: stop.signal, lameDuckMs: 0 },
      });
      ended.push(webhook.ended);
      return { review: async (image) => await review(webhook.port, tls.ca, image) };
    },
    close: async () => {
      stop.abort();
      await Promise.all(ended);
      await registry.close();
      await server.close();
    },
  };
}

/** Follows, as the agent's loop does, until the server's look at its store has brought generation `newest`. */
async function followUntil(agent: NodeTrust, newest: number): Promise<TrustState> {
  const deadline = performance.now() + SYNC_DEADLINE_MS;
  for (;;) {
    const state = await agent.follow();
    if (state.generation?.number === newest || performance.now() > deadline) return state;
    await delay(LOOK_AGAIN_MS);
  }
}

async function servingCertificate(folder: string): Promise<{ folder: string; ca: string }> {
  const validity = validFor(new Date(Date.now() - 60_000), CERTIFICATE_DAYS);
  const caKey = generateKey('p256');
  const organization = 'Demo site';
  const ca = await createSiteCa({ subject: { commonName: 'Site CA', organization }, key: caKey, validity });
  const key = generateKey('p256');
  const request = {
    subject: { commonName: 'site', organization },
    key,
    validity,
    issuer: { certificate: ca, key: caKey },
  };
  const certificate = await createServerCertificate(request, { dnsNames: [], ipAddresses: ['127.0.0.1'] });
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'tls.crt'), certificate);
  await writeFile(path.join(folder, 'tls.key'), exportPlainKeyUnsafe(key), { mode: 0o600 });
  return { folder, ca };
}

async function clusterWith(policies: readonly object[]): Promise<MemoryCluster> {
  const cluster = new MemoryCluster();
  for (const policy of policies) await cluster.create(policy as Parameters<MemoryCluster['create']>[0]);
  return cluster;
}

/** Asks to pin the image and then to judge it, as the API server does: mutating webhooks first. */
async function review(port: number, ca: string, image: string): Promise<AdmissionAnswer> {
  const started = performance.now();
  const mutated = await ask(new URL(`https://127.0.0.1:${port}/mutate`), ca, image);
  const pinned = pinnedImage(mutated.patch) ?? image;
  const { allowed, status } = await ask(new URL(`https://127.0.0.1:${port}/validate`), ca, pinned);
  return { allowed, pinned, message: status?.message ?? '', ms: performance.now() - started };
}

interface ReviewResponse {
  readonly allowed: boolean;
  readonly status?: { readonly message?: string };
  /** Base64 of an RFC 6902 patch. */
  readonly patch?: string;
}

function pinnedImage(patch: string | undefined): string | undefined {
  if (patch === undefined) return undefined;
  const operations = JSON.parse(Buffer.from(patch, 'base64').toString()) as { path: string; value: unknown }[];
  const value = operations.find(({ path: at }) => at === '/spec/containers/0/image')?.value;
  return typeof value === 'string' ? value : undefined;
}

async function ask(url: URL, ca: string, image: string): Promise<ReviewResponse> {
  const object = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'demo', namespace: 'default' },
    spec: { containers: [{ name: 'main', image }] },
  };
  const request = {
    uid: crypto.randomUUID(),
    kind: { group: '', version: 'v1', kind: 'Pod' },
    resource: { group: '', version: 'v1', resource: 'pods' },
    name: 'demo',
    namespace: 'default',
    operation: 'CREATE',
    userInfo: { username: 'developer' },
    object,
    oldObject: null,
    dryRun: false,
  };
  const answer = await post(url, ca, { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request });
  return (answer as { response: ReviewResponse }).response;
}

async function post(url: URL, ca: string, body: object): Promise<unknown> {
  const text = JSON.stringify(body);
  return await new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
    const request = https.request(url, { method: 'POST', ca, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => resolve(JSON.parse(Buffer.concat(chunks).toString())));
      response.on('error', reject);
    });
    request.on('error', reject);
    request.end(text);
  });
}
