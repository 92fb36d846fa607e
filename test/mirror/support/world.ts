import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import type { ExecutionContext } from 'ava';
import type { Digest } from '../../../appliance/kernel/digest.ts';
import { type ImageReference, parseImageReference } from '../../../appliance/kernel/image-reference.ts';
import { attachmentOfBytes } from '../../../mirror/attachment.ts';
import { type Closure, type ClosureOptions, closureOf } from '../../../mirror/closure.ts';
import { type CreatedBundle, createBundle } from '../../../mirror/create-bundle.ts';
import { type InventorySigner, keyFingerprint, keySigner } from '../../../mirror/inventory-signature.ts';
import { type MemoryRegistryOptions, memoryRegistry } from '../../../mirror/memory-registry.ts';
import { registryClient } from '../../../mirror/registry-client.ts';
import type { RegistryClient } from '../../../mirror/registry-port.ts';
import { imageOf, indexOf, manifestOf, push, referrerOf, schemeTag } from './images.ts';
import { notingRetry } from './server.ts';

/** A registry in memory with a client whose every host leads to it. */
export interface RegistryWorld {
  readonly origin: string;
  readonly client: RegistryClient;
  /** `METHOD path` of each request so far. */
  readonly requests: string[];
}

export async function registryWorld(t: ExecutionContext, options: MemoryRegistryOptions = {}): Promise<RegistryWorld> {
  const requests: string[] = [];
  const { origin, close } = await memoryRegistry({
    ...options,
    onRequest: ({ method, path: url }) => requests.push(`${method} ${url}`),
  }).listen();
  const client = registryClient({ mirrors: { '*': origin }, retry: notingRetry() });
  t.teardown(async () => {
    await client.close();
    await close();
  });
  return { origin, client, requests };
}

export async function temporaryFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-mirror-'));
  t.teardown(async () => await rm(folder, { recursive: true, force: true }));
  return folder;
}

/** References of the images that {@link fillUpstream} makes. */
export const APP = 'ghcr.io/acme/app:v1';
export const TOOL = 'docker.io/library/tool:2';

/** Digests of what {@link fillUpstream} made. */
export interface Upstream {
  readonly app: Digest;
  readonly amd: Digest;
  readonly arm: Digest;
  readonly appSig: Digest;
  readonly amdBundle: Digest;
  readonly sbom: Digest;
  readonly sbomSignature: Digest;
  readonly fallbackOnly: Digest;
  readonly tool: Digest;
}

/**
 * Puts two images into a registry: an index of two platforms with a `.sig` on the index, a Sigstore bundle referring to
 * one child, an SBOM referring to the index that is itself signed, an artifact that only the fallback tag lists; and an
 * image without any evidence that shares a layer with the first.
 */
export async function fillUpstream(client: RegistryClient): Promise<Upstream> {
  const app = client.repository(parseImageReference(APP));
  const children = { 'linux/amd64': imageOf('shared layer', 'amd layer'), 'linux/arm64': imageOf('arm layer') };
  for (const child of Object.values(children)) await push(app, child);
  const index = indexOf(children);
  await app.putManifest('v1', index);
  const signature = imageOf('{"critical":{}}');
  await push(app, signature, schemeTag(index.descriptor.digest, 'sig'));
  const amd = children['linux/amd64'].manifest.descriptor;
  const bundle = referrerOf(amd, 'bundle of amd64');
  await push(app, bundle);
  const sbom = referrerOf(index.descriptor, '{"spdxVersion":"SPDX-2.3"}', 'application/spdx+json');
  await push(app, sbom);
  const sbomSignature = referrerOf(sbom.manifest.descriptor, 'bundle of the sbom');
  await push(app, sbomSignature);
  // Written by a client that knew of no referrers API: only the fallback tag tells.
  const fallbackOnly = imageOf('listed by the fallback tag only');
  await push(app, fallbackOnly);
  const list = { schemaVersion: 2, manifests: [fallbackOnly.manifest.descriptor] };
  await app.putManifest(
    schemeTag(index.descriptor.digest),
    manifestOf(list, 'application/vnd.oci.image.index.v1+json'),
  );
  const tool = imageOf('shared layer', 'tool layer');
  await push(client.repository(parseImageReference(TOOL)), tool, '2');
  return {
    app: index.descriptor.digest,
    amd: amd.digest,
    arm: children['linux/arm64'].manifest.descriptor.digest,
    appSig: signature.manifest.descriptor.digest,
    amdBundle: bundle.manifest.descriptor.digest,
    sbom: sbom.manifest.descriptor.digest,
    sbomSignature: sbomSignature.manifest.descriptor.digest,
    fallbackOnly: fallbackOnly.manifest.descriptor.digest,
    tool: tool.manifest.descriptor.digest,
  };
}

export const IMAGES: readonly ImageReference[] = [APP, TOOL].map(parseImageReference);

export function newSigner(kind: 'ed25519' | 'p256' = 'ed25519'): InventorySigner & { readonly fingerprint: Digest } {
  const { privateKey } =
    kind === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signer = keySigner(privateKey);
  return { ...signer, fingerprint: keyFingerprint(signer.publicKey) };
}

/** A bundle of the two images and two attachments, written to a file. */
export interface BundleWorld {
  readonly upstream: Upstream;
  readonly registry: RegistryWorld;
  readonly closure: Closure;
  readonly signer: ReturnType<typeof newSigner>;
  readonly file: string;
  readonly created: CreatedBundle;
  readonly folder: string;
}

export const CREATED_AT = new Date('2026-11-21T06:00:00Z');

export async function bundleWorld(
  t: ExecutionContext,
  options: ClosureOptions & { kind?: 'ed25519' | 'p256' } = {},
): Promise<BundleWorld> {
  const registry = await registryWorld(t);
  const upstream = await fillUpstream(registry.client);
  const closure = await closureOf(registry.client, IMAGES, options);
  const signer = newSigner(options.kind);
  const folder = await temporaryFolder(t);
  const file = path.join(folder, 'site.tar');
  const created = await createBundle(file, contentOf(closure), { signer });
  return { upstream, registry, closure, signer, file, created, folder };
}

/** The closure with two attachments. */
export function contentOf(closure: Closure) {
  const policy = Buffer.from('{"kind":"ClusterImagePolicy"}');
  const chart = Buffer.alloc(5000, 'chart');
  return {
    closure,
    attachments: [
      attachmentOfBytes({ kind: 'policy', name: 'all', mediaType: 'application/json' }, policy),
      attachmentOfBytes({ kind: 'chart', name: 'rekor', mediaType: 'application/gzip' }, chart),
    ],
    createdAt: CREATED_AT,
    sequence: 7,
  };
}
