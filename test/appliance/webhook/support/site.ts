import { createHash, sign } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';

import type { ExecutionContext } from 'ava';
import { parseImageReference } from '../../../../appliance/kernel/image-reference.ts';
import { silentLog } from '../../../../appliance/kernel/log.ts';
import type { Cluster } from '../../../../appliance/kube/cluster.ts';
import { MemoryCluster } from '../../../../appliance/kube/cluster-memory.ts';
import { KINDS } from '../../../../appliance/kube/kube-object.ts';
import { startWebhook } from '../../../../appliance/webhook/start-webhook.ts';
import { fileBlobStore } from '../../../../mirror/blob-folder.ts';
import { closureOf } from '../../../../mirror/closure.ts';
import { serializeEvidenceIndex } from '../../../../mirror/evidence-index.ts';
import { memoryRegistry } from '../../../../mirror/memory-registry.ts';
import { MEDIA } from '../../../../mirror/oci-types.ts';
import { registryClient } from '../../../../mirror/registry-client.ts';
import { followRepository, pinRoot } from '../../../../trust-root/follow.ts';
import { nodePaths } from '../../../../trust-root/generation.ts';
import { generateKey, publicKeyPem } from '../../../../trust-root/keys.ts';
import { storeTransport } from '../../../../trust-root/tuf-transport.ts';
import {
  type Artifact,
  blobOf,
  collect,
  imageOf,
  manifestOf,
  push,
  schemeTag,
} from '../../../mirror/support/images.ts';
import { repositoryWorld } from '../../../trust-root/world/repository-world.ts';
import { siteTls } from '../../services/site-tls.ts';
import { createRequest, podSpec, reviewBody, workload } from './reviews.ts';

const key = generateKey('p256');

/** The public half of the key that signs the world's images. */
export const SITE_KEY_PEM = publicKeyPem(key);

/** A signature over `image` as `cosign sign --key` writes it (cosign SIGNATURE_SPEC, "simple signing"). */
function signatureOf(name: string, image: Artifact): Artifact {
  const payload = Buffer.from(
    JSON.stringify({
      critical: {
        identity: { 'docker-reference': name },
        image: { 'docker-manifest-digest': image.manifest.descriptor.digest },
        type: 'cosign container image signature',
      },
      optional: null,
    }),
  );
  const layer = blobOf(payload, MEDIA.simpleSigning);
  const config = blobOf('{}', MEDIA.ociConfig);
  const annotations = { 'dev.cosignproject.cosign/signature': sign('sha256', payload, key).toString('base64') };
  const document = {
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    config: config.descriptor,
    layers: [{ ...layer.descriptor, annotations }],
  };
  return { manifest: manifestOf(document, MEDIA.ociManifest), blobs: [config, layer] };
}

/** A policy that wants a signature by the world's key. */
export function keyPolicy(name: string, glob: string) {
  return {
    ...KINDS.clusterImagePolicy,
    metadata: { name },
    spec: { images: [{ glob }], authorities: [{ name: 'key', key: { data: SITE_KEY_PEM } }] },
  };
}

/** A node with a real generation, a registry, a cluster in memory, and a webhook over HTTPS. */
export async function site(t: Pick<ExecutionContext, 'teardown'>, cluster: Cluster = new MemoryCluster()) {
  const base = await mkdtemp(path.join(tmpdir(), 'sealift-webhook-'));
  t.teardown(async () => await rm(base, { recursive: true, force: true }));
  const paths = nodePaths(base);
  await mkdir(paths.generations);
  const registry = await memoryRegistry().listen();
  t.teardown(registry.close);
  const client = registryClient({ mirrors: { '*': registry.origin } });
  t.teardown(async () => await client.close());
  const pushed = async (name: string, signed: boolean) => {
    const repository = client.repository(parseImageReference(name));
    const image = imageOf(name);
    await push(repository, image, 'v1');
    if (signed) await push(repository, signatureOf(name, image), schemeTag(image.manifest.descriptor.digest, 'sig'));
    return image.manifest.descriptor.digest;
  };
  const policies = { schemaVersion: 1, policies: [keyPolicy('floor', 'ghcr.io/**')] };
  const repository = await repositoryWorld({ targets: { 'policies.json': JSON.stringify(policies) } });
  await pinRoot(paths, repository.root);
  /** What the node agent does: evidence first, then the generation that names it. */
  const sync = async (...names: string[]): Promise<void> => {
    const closure = await closureOf(client, names.map(parseImageReference));
    const store = fileBlobStore(paths.evidence);
    for (const { descriptor, bytes } of closure.manifests.values()) await store.write(descriptor.digest, bytes);
    for (const { descriptor, repository: from } of closure.blobs.values()) {
      await store.write(descriptor.digest, await collect(from.readBlob(descriptor)));
    }
    const index = serializeEvidenceIndex(closure.evidence).toString();
    await repository.siteState({ 'site-state/evidence-index.json': index });
    await followRepository({ paths, transport: storeTransport(repository.store), clock: repository.clock });
  };
  await cluster.create({
    ...KINDS.configMap,
    metadata: { name: 'sealift-modes', namespace: 'sealift-system' },
    data: { _default: 'enforce', lab: 'warn' },
  });
  const tls = await siteTls(t);
  const start = async () => {
    const abort = new AbortController();
    const running = await startWebhook({
      stateFolder: base,
      rootSha256: createHash('sha256').update(repository.root).digest('hex'),
      listen: { host: '127.0.0.1', port: 0 },
      tlsFolder: tls.folder,
      registry: { url: new URL(registry.origin), ownNames: [] },
      cluster,
      clock: repository.clock,
      log: silentLog,
      signal: abort.signal,
      lameDuckMs: 0,
    });
    t.teardown(async () => {
      abort.abort();
      await running.ended;
    });
    const ask = async (method: string, url: string, body?: Buffer) =>
      await new Promise<{ status: number; json: Record<string, unknown> }>((resolve, reject) => {
        const options = { host: '127.0.0.1', port: running.port, ca: tls.ca, method, path: url, agent: false };
        const request = https.request(options, (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => {
            const json = JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
            resolve({ status: response.statusCode ?? 0, json });
          });
        });
        request.on('error', reject);
        request.end(body);
      });
    const review = async (url: string, image: string, namespace = 'shop') => {
      const request = createRequest('Pod', workload('Pod', podSpec(image)), { namespace });
      const { json } = await ask('POST', url, reviewBody(request));
      return json['response'] as {
        allowed: boolean;
        patch?: string;
        warnings?: string[];
        status?: { message: string };
      };
    };
    return { ask, review, port: running.port, ca: tls.ca, readiness: () => running.readiness() };
  };
  return { pushed, sync, start, registry, cluster, repository };
}
