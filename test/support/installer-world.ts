import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import type { ExecutionContext } from 'ava';
import { IMAGES } from '../../appliance/config/helm-values.ts';
import { parseConfig } from '../../appliance/config/load.ts';
import type { ApplianceConfig, ApplianceInput } from '../../appliance/config/schema.ts';
import { MemoryHelm } from '../../appliance/helm/helm-memory.ts';
import type { BundledImage, InstallBundle } from '../../appliance/installer/install-bundle.ts';
import { KeyVault } from '../../appliance/installer/key-vault.ts';
import { type ClusterFacts, observe } from '../../appliance/installer/observe.ts';
import type { InstallWorld } from '../../appliance/installer/step.ts';
import { type AdjustableClock, clockAt } from '../../appliance/kernel/clock.ts';
import { digestOf } from '../../appliance/kernel/digest.ts';
import type { Cluster } from '../../appliance/kube/cluster.ts';
import { MemoryCluster, type MemoryClusterOptions } from '../../appliance/kube/cluster-memory.ts';
import { KINDS, type KubeObject } from '../../appliance/kube/kube-object.ts';

export const NOW = '2026-11-21T08:00:00Z';

const image = (repository: string): BundledImage => ({
  repository,
  tag: 'v1',
  digest: digestOf(repository),
  size: 1000,
  platforms: ['linux/amd64'],
});

/** A bundle with the images that the charts run, and charts that are empty files. */
export function memoryBundle(chart: string, change: Partial<InstallBundle> = {}): InstallBundle {
  return {
    path: '/media/site.sealift',
    digest: digestOf('bundle'),
    sequence: 7,
    createdAt: new Date(NOW),
    images: Object.values(IMAGES).map(image),
    chart: () => Promise.resolve(chart),
    capsules: () => Promise.resolve([]),
    policies: () => Promise.resolve([]),
    evidenceIndex: () => Promise.resolve(Buffer.from('{}')),
    publish: () => Promise.resolve({ written: 1 }),
    ...change,
  };
}

function statusOf({ kind }: KubeObject): Record<string, unknown> | undefined {
  const one = { observedGeneration: 99, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1 };
  if (kind === 'Deployment' || kind === 'StatefulSet') return { status: one };
  if (kind === 'PersistentVolumeClaim') return { status: { phase: 'Bound' } };
  return undefined;
}

/** A node with everything that preflight looks at, and the first images. */
export function node(name: string, change: Record<string, unknown> = {}): KubeObject {
  const names = [IMAGES.sealift, IMAGES.registry].map((repository) => `${repository}@${digestOf(repository)}`);
  const status = {
    nodeInfo: { architecture: 'amd64', operatingSystem: 'linux', containerRuntimeVersion: 'containerd://1.7.0' },
    allocatable: { 'ephemeral-storage': '100Gi' },
    conditions: [{ type: 'Ready', status: 'True' }],
    images: [{ names }],
    ...change,
  };
  return { ...KINDS.node, metadata: { name }, status };
}

export const ISSUER = {
  issuer: 'https://kubernetes.default.svc.cluster.local',
  jwks_uri: 'https://10.0.0.1:6443/openid/v1/jwks',
};

/** A cluster as a site finds it. */
export async function memoryCluster(options: MemoryClusterOptions = {}): Promise<MemoryCluster> {
  const cluster = new MemoryCluster({
    clock: clockAt(NOW),
    react: statusOf,
    rawPaths: { '/.well-known/openid-configuration': JSON.stringify(ISSUER) },
    ...options,
  });
  await cluster.create(node('node-1'));
  const annotations = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  await cluster.create({
    ...KINDS.storageClass,
    metadata: { name: 'standard', annotations },
    volumeBindingMode: 'Immediate',
  });
  await cluster.create({ ...KINDS.namespace, metadata: { name: 'default' } });
  return cluster;
}

/** The world of an installation in memory. */
export interface MemoryWorld extends InstallWorld {
  readonly cluster: Cluster;
  readonly memory: MemoryCluster;
  readonly clock: AdjustableClock;
  readonly keyFolder: string;
}

/** Parts that a test replaces. */
export interface WorldChange {
  readonly config?: Partial<ApplianceInput>;
  readonly memory?: MemoryCluster;
  /** Stands between the installer and the cluster. */
  readonly wrap?: (cluster: Cluster) => Cluster;
  readonly keyFolder?: string;
  readonly helm?: MemoryHelm;
}

function render({ name, namespace }: { name: string; namespace: string }): KubeObject[] {
  const workload = (kind: { apiVersion: string; kind: string }, object = name): KubeObject => ({
    ...kind,
    metadata: { name: object, namespace, labels: { 'app.kubernetes.io/instance': name } },
    spec: { replicas: 1 },
  });
  const stateful = name === 'mariadb' || name === 'registry';
  return [stateful ? workload(KINDS.statefulSet) : workload(KINDS.deployment)];
}

export function memoryHelm(cluster: Cluster): MemoryHelm {
  return new MemoryHelm({
    render,
    apply: async (manifests) => {
      for (const manifest of manifests as KubeObject[]) await cluster.apply(manifest, 'helm');
    },
  });
}

export async function installerWorld(t: ExecutionContext, change: WorldChange = {}): Promise<MemoryWorld> {
  const keyFolder = change.keyFolder ?? (await mkdtemp(path.join(tmpdir(), 'sealift-keys-')));
  t.teardown(() => rm(keyFolder, { recursive: true, force: true }));
  const memory = change.memory ?? (await memoryCluster());
  const cluster = change.wrap?.(memory) ?? memory;
  const config: ApplianceConfig = parseConfig(
    { schemaVersion: 1, site: { name: 'plant-7' }, acceptance: false, ...change.config },
    'the test',
  );
  const facts: ClusterFacts = await observe(memory);
  return {
    config,
    cluster,
    memory,
    helm: change.helm ?? memoryHelm(cluster),
    bundle: memoryBundle(import.meta.filename),
    vault: new KeyVault({ folder: keyFolder, passphrase: () => Promise.resolve('correct horse battery') }),
    facts,
    clock: clockAt(NOW),
    signal: new AbortController().signal,
    readyTimeoutMs: 2000,
    keyFolder,
  };
}

/** A cluster that dies, like the installer's own process would, after so many writes. */
export function dyingCluster(cluster: Cluster, writes: number): Cluster {
  let left = writes;
  const WRITES = new Set<PropertyKey>(['apply', 'create', 'replace', 'patch', 'delete']);
  return new Proxy(cluster, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      const method = member.bind(target) as (...args: unknown[]) => unknown;
      if (!WRITES.has(name)) return method;
      return async (...args: unknown[]): Promise<unknown> => {
        if (left <= 0) throw new Error('killed');
        left -= 1;
        return method(...args);
      };
    },
  });
}
