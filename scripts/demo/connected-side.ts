import { digestOf } from '../../appliance/kernel/digest.ts';
import { memoryRegistry } from '../../mirror/memory-registry.ts';
import { MEDIA } from '../../mirror/oci-types.ts';
import { registryClient } from '../../mirror/registry-client.ts';
import type { FetchedManifest, RegistryClient, RepositoryClient } from '../../mirror/registry-port.ts';
import { type AttachedEvidence, type SigstoreWorld, sigstoreWorld } from '../../test/support/sigstore-world.ts';
import { initialiseRepository } from '../../trust-root/initialise.ts';
import { DEFAULT_POLICY } from '../../trust-root/repository-policy.ts';
import { MemoryRepositoryStore } from '../../trust-root/repository-store-memory.ts';
import { targetContent } from '../../trust-root/target-content.ts';
import { storeTransport, type TufTransport } from '../../trust-root/tuf-transport.ts';
import { newRepositoryKeys } from './repository-keys.ts';

/** Who releases the demo's images, as the certificates of its signatures say. */
export const RELEASER = {
  issuer: 'https://token.actions.example',
  subject: 'https://github.example/acme/app/.github/workflows/release.yaml@refs/tags/v1',
};

const STRANGER = {
  issuer: RELEASER.issuer,
  subject: 'https://github.example/mallory/app/.github/workflows/x.yaml@refs/heads/main',
};

/** The connected side: a registry with signed and badly signed images, and the Sigstore that signed them. */
export interface ConnectedSide {
  readonly sigstore: SigstoreWorld;
  readonly registry: RegistryClient;
  /** References of everything that is in the registry. */
  readonly images: readonly string[];
  /** Upstream's own TUF repository, and the root that a client of it starts from. */
  readonly trust: { readonly root: Buffer; readonly transport: TufTransport };
  close(): Promise<void>;
}

/** An image of one small layer, pushed. */
interface PushedImage {
  readonly name: string;
  readonly manifest: FetchedManifest;
}

const PROVENANCE = 'https://slsa.dev/provenance/v1';

/** Starts the connected side on loopback. */
export async function startConnectedSide(): Promise<ConnectedSide> {
  const sigstore = sigstoreWorld({ name: 'sigstore.example', now: new Date(Date.now() - 60_000) });
  const server = await memoryRegistry({ referrersApi: false }).listen();
  const registry = registryClient({ mirrors: { '*': server.origin } });
  const push = async (name: string): Promise<PushedImage> => await pushImage(registry, name);
  const sign = (image: PushedImage, log: 1 | 2, identity = RELEASER): AttachedEvidence =>
    sigstore.signImage(asSigned(image), { identity, log });

  const app = await push('app');
  await attach(registry, app, sign(app, 1));
  await attach(
    registry,
    app,
    sigstore.attest(
      asSigned(app),
      { predicateType: PROVENANCE, predicate: { builder: 'demo' } },
      { identity: RELEASER },
    ),
  );
  const web = await push('web');
  await attach(registry, web, sign(web, 2));
  await push('unsigned');
  const stranger = await push('stranger');
  await attach(registry, stranger, sign(stranger, 1, STRANGER));
  const tampered = await push('tampered');
  await attach(registry, tampered, forged(sigstore, tampered));
  const borrowed = await push('borrowed');
  await attach(registry, borrowed, signedFor(sigstore, app, borrowed));
  const store = new MemoryRepositoryStore();
  const targets = new Map([['trusted_root.json', targetContent(JSON.stringify(sigstore.trustedRoot()))]]);
  const root = await initialiseRepository(store, {
    keys: newRepositoryKeys(),
    policy: DEFAULT_POLICY,
    clock: sigstore.clock,
    targets,
  });
  return {
    sigstore,
    registry,
    trust: { root, transport: storeTransport(store) },
    images: [app, web, stranger, tampered, borrowed].map(({ name }) => `${name}:v1`).concat('ghcr.io/acme/unsigned:v1'),
    close: async () => {
      await registry.close();
      await server.close();
    },
  };
}

function asSigned({ name, manifest }: PushedImage) {
  return { name, digest: manifest.descriptor.digest, size: manifest.descriptor.size };
}

/** A signature with one bit of it flipped. */
function forged(sigstore: SigstoreWorld, image: PushedImage): AttachedEvidence {
  return sigstore.signImage(asSigned(image), {
    identity: RELEASER,
    forge: ({ dsseEnvelope: { signatures } }) => {
      const [signature] = signatures;
      if (signature === undefined) return;
      const bytes = Buffer.from(signature.sig, 'base64');
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      signature.sig = bytes.toString('base64');
    },
  });
}

/** A genuine signature of `signed`, attached to `other`. */
function signedFor(sigstore: SigstoreWorld, signed: PushedImage, other: PushedImage): AttachedEvidence {
  const genuine = sigstore.signImage(asSigned(signed), { identity: RELEASER });
  const manifest = JSON.parse(genuine.manifest.toString()) as Record<string, unknown>;
  const { mediaType, digest, size } = other.manifest.descriptor;
  const bytes = Buffer.from(JSON.stringify({ ...manifest, subject: { mediaType, digest, size } }));
  return { ...genuine, manifest: bytes, manifestDigest: digestOf(bytes) };
}

async function pushImage(registry: RegistryClient, short: string): Promise<PushedImage> {
  const repository = registry.repository({ host: 'ghcr.io', repository: `acme/${short}` });
  const config = Buffer.from(
    JSON.stringify({ os: 'linux', architecture: 'amd64', config: {}, rootfs: { type: 'layers', diff_ids: [] } }),
  );
  const layer = Buffer.from(`the files of ${short}\n`.repeat(20_000));
  const describe = (mediaType: string, bytes: Buffer) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.byteLength,
  });
  await putBlob(repository, MEDIA.ociConfig, config);
  await putBlob(repository, LAYER, layer);
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      config: describe(MEDIA.ociConfig, config),
      layers: [describe(LAYER, layer)],
    }),
  );
  const manifest = { bytes, descriptor: describe(MEDIA.ociManifest, bytes) };
  await repository.putManifest('v1', manifest);
  return { name: `ghcr.io/acme/${short}`, manifest };
}

const LAYER = 'application/vnd.oci.image.layer.v1.tar';

/** Attaches evidence as cosign 3 does where a registry has no referrers API: under the subject's fallback tag. */
async function attach(registry: RegistryClient, image: PushedImage, evidence: AttachedEvidence): Promise<void> {
  const repository = registry.repository({ host: 'ghcr.io', repository: image.name.replace('ghcr.io/', '') });
  for (const [, bytes] of evidence.blobs) await putBlob(repository, 'application/octet-stream', bytes);
  const descriptor = {
    mediaType: MEDIA.ociManifest,
    digest: evidence.manifestDigest,
    size: evidence.manifest.byteLength,
  };
  await repository.putManifest(evidence.manifestDigest, { bytes: evidence.manifest, descriptor });
  const tag = image.manifest.descriptor.digest.replace(':', '-');
  const listed = await repository.manifest(tag);
  const before = listed === undefined ? [] : (JSON.parse(listed.bytes.toString()) as { manifests: object[] }).manifests;
  const { artifactType } = JSON.parse(evidence.manifest.toString()) as { artifactType?: string };
  const index = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA.ociIndex,
      manifests: [...before, { ...descriptor, artifactType }],
    }),
  );
  await repository.putManifest(tag, {
    bytes: index,
    descriptor: { mediaType: MEDIA.ociIndex, digest: digestOf(index), size: index.byteLength },
  });
}

async function putBlob(repository: RepositoryClient, mediaType: string, bytes: Buffer): Promise<void> {
  await repository.putBlob(
    { mediaType, digest: digestOf(bytes), size: bytes.byteLength },
    async function* (start, end) {
      yield bytes.subarray(start, end);
    },
  );
}
