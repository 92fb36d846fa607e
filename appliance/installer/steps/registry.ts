import { readFile } from 'node:fs/promises';

import { z } from 'zod';

import { registryHost, registryValues } from '../../config/helm-values.ts';
import { KINDS } from '../../kube/kube-object.ts';
import { readSiteCa } from '../certificate-authorities.ts';
import { chartStep } from '../chart-step.ts';
import type { RegistryTarget } from '../install-bundle.ts';
import { readState, writeState } from '../install-state.ts';
import { InstallerError } from '../installer-error.ts';
import { contentDigest } from '../secrets.ts';
import { withServicePort } from '../service-connection.ts';
import { SEALIFT, serviceNames } from '../site-names.ts';
import { DONE, type InstallWorld, missing, type Step, type Tell } from '../step.ts';
import { ensureTls, lookAtTls, type TlsServer } from '../tls-secrets.ts';

const RELEASE = { name: 'registry', namespace: SEALIFT };
const TLS = { namespace: SEALIFT, name: 'registry-tls' };
const serviceSchema = z.looseObject({ spec: z.looseObject({ clusterIP: z.string() }) });

/** The address of the registry's Service, which nodes reach it at: they don't ask the cluster's DNS. */
export async function registryAddress({ cluster }: Pick<InstallWorld, 'cluster'>): Promise<string | undefined> {
  const service = await cluster.get({ kind: KINDS.service, ...RELEASE });
  return service === undefined ? undefined : serviceSchema.parse(service).spec.clusterIP;
}

async function registryServer(world: InstallWorld): Promise<TlsServer | undefined> {
  const address = await registryAddress(world);
  if (address === undefined) return undefined;
  const dnsNames = [...serviceNames('registry', SEALIFT, world.config.site.clusterDomain), 'localhost'];
  // 127.0.0.1: images are pushed through a port forward.
  return { ...TLS, dnsNames, ipAddresses: [address, '127.0.0.1'] };
}

/** The site's own registry. Its certificate bears the Service's address, so it comes after the Service. */
export const registry: Step = chartStep({
  title: 'Registry',
  release: RELEASE,
  needsKeys: true,
  workloads: [{ kind: KINDS.statefulSet, name: 'registry' }],
  // The registry reads its certificate at its start only.
  values: async ({ config, bundle, cluster }) =>
    registryValues(config, {
      images: bundle.images,
      podAnnotations: { 'sealift.dev/secrets': await contentDigest(cluster, [TLS]) },
    }),
  afterDeploy: async (world) => {
    const server = await registryServer(world);
    if (server === undefined) throw new InstallerError('STEP_UNFINISHED', 'the registry has no Service');
    await ensureTls(world, server);
  },
  lookAfter: async (world) => {
    const server = await registryServer(world);
    return server === undefined ? missing('Service of the registry') : lookAtTls(world, server);
  },
});

async function publishTo(world: InstallWorld, target: RegistryTarget, tell: Tell): Promise<void> {
  const { written } = await world.bundle.publish({
    ...target,
    signal: world.signal,
    onProgress: ({ doneBytes, totalBytes }) => tell(`${megabytes(doneBytes)} of ${megabytes(totalBytes)} MB`),
  });
  tell(written === 0 ? 'everything was there' : `${written} blobs and manifests written`);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

async function publishInternal(world: InstallWorld, tell: Tell): Promise<void> {
  const ca = await readSiteCa(world);
  if (ca === undefined) throw new InstallerError('STEP_UNFINISHED', 'there is no site CA');
  const pods = { namespace: SEALIFT, labelSelector: 'app.kubernetes.io/instance=registry', port: 5000 };
  await withServicePort(world, pods, (port) => publishTo(world, { url: `https://127.0.0.1:${port}`, ca }, tell));
}

async function publishExternal(world: InstallWorld, tell: Tell): Promise<void> {
  const { registry: external } = world.config;
  const file = external.kind === 'external' ? external.caFile : undefined;
  const ca = file === undefined ? {} : { ca: await readFile(file, 'utf8') };
  await publishTo(world, { url: `https://${registryHost(world.config)}`, ...ca }, tell);
}

/** The volume that the images were put into: a new one is empty again. */
async function registryIdentity(world: InstallWorld): Promise<string> {
  if (world.config.registry.kind === 'external') return world.config.registry.host;
  const claim = { kind: KINDS.persistentVolumeClaim, namespace: SEALIFT, name: 'data-registry-0' };
  return (await world.cluster.get(claim))?.metadata.uid ?? '';
}

/** Every image of the bundle lies in the registry. */
export const images: Step = {
  id: 'images',
  title: 'Images in the registry',
  pods: { namespace: SEALIFT, labelSelector: 'app.kubernetes.io/instance=registry' },
  look: async (world) => {
    const { images: published } = await readState(world.cluster);
    const wanted = `${world.bundle.digest} ${await registryIdentity(world)}`;
    return published === wanted ? DONE : missing(`the images of bundle ${world.bundle.digest.slice(7, 19)}`);
  },
  act: async (world, tell) => {
    await (world.config.registry.kind === 'internal' ? publishInternal(world, tell) : publishExternal(world, tell));
    await writeState(world.cluster, { images: `${world.bundle.digest} ${await registryIdentity(world)}` });
  },
};
