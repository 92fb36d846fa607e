import { z } from 'zod';

import { parseJson } from '../kernel/json.ts';
import type { Cluster, ServerVersion } from '../kube/cluster.ts';
import { KINDS, type KubeObject } from '../kube/kube-object.ts';

/** A node, as far as the installer cares. */
export interface NodeFacts {
  readonly name: string;
  readonly architecture: string;
  readonly operatingSystem: string;
  readonly isReady: boolean;
  readonly hasDiskPressure: boolean;
  /** Names of the images that kubelet says it has. */
  readonly images: readonly string[];
  /** Bytes of node storage that pods may use, where the node states it. */
  readonly ephemeralStorage: number | undefined;
  readonly runtime: string;
  /** When the node was last heard of (its Lease); `undefined` when it has none. */
  readonly heardAt: Date | undefined;
}

/** A class of storage. */
export interface StorageClassFacts {
  readonly name: string;
  readonly isDefault: boolean;
  readonly bindsAtOnce: boolean;
}

/** Who signs the cluster's service-account tokens, and where the keys are said to be. */
export interface IssuerFacts {
  readonly issuer: string;
  readonly jwksUri: string;
}

/** What was seen of a cluster, all of it read in one go. */
export interface ClusterFacts {
  readonly server: string;
  readonly version: ServerVersion;
  readonly nodes: readonly NodeFacts[];
  readonly storageClasses: readonly StorageClassFacts[];
  /** `undefined` when the API server does not say. */
  readonly issuer: IssuerFacts | undefined;
  readonly namespaces: readonly string[];
}

const nodeSchema = z.looseObject({
  status: z.looseObject({
    nodeInfo: z.looseObject({
      architecture: z.string(),
      operatingSystem: z.string(),
      containerRuntimeVersion: z.string().default(''),
    }),
    allocatable: z.record(z.string(), z.string()).default({}),
    conditions: z.array(z.looseObject({ type: z.string(), status: z.string() })).default([]),
    images: z.array(z.looseObject({ names: z.array(z.string()).nullish() })).default([]),
  }),
});
const leaseSchema = z.looseObject({ spec: z.looseObject({ renewTime: z.string().optional() }).prefault({}) });
const storageSchema = z.looseObject({ volumeBindingMode: z.string().default('Immediate') });
const discoverySchema = z.looseObject({ issuer: z.string(), jwks_uri: z.string() });

const DEFAULT_CLASS = 'storageclass.kubernetes.io/is-default-class';

/** Looks at a cluster; changes nothing. */
export async function observe(cluster: Cluster): Promise<ClusterFacts> {
  const version = await cluster.serverVersion();
  const [nodes, leases, classes, namespaces, issuer] = await Promise.all([
    cluster.list(KINDS.node),
    cluster.list(KINDS.lease, { namespace: 'kube-node-lease' }),
    cluster.list(KINDS.storageClass),
    cluster.list(KINDS.namespace),
    readIssuer(cluster),
  ]);
  const heard = new Map(leases.map((lease) => [lease.metadata.name, renewedAt(lease)]));
  return {
    server: cluster.server,
    version,
    nodes: nodes.map((node) => nodeFacts(node, heard.get(node.metadata.name))),
    storageClasses: classes.map(storageClassFacts),
    issuer,
    namespaces: namespaces.map((namespace) => namespace.metadata.name),
  };
}

async function readIssuer(cluster: Cluster): Promise<IssuerFacts | undefined> {
  try {
    const document = await cluster.raw('/.well-known/openid-configuration');
    const { issuer, jwks_uri } = discoverySchema.parse(parseJson(document, 'OpenID configuration of the cluster'));
    return { issuer, jwksUri: jwks_uri };
  } catch {
    return undefined;
  }
}

function renewedAt(lease: KubeObject): Date | undefined {
  const time = leaseSchema.parse(lease).spec.renewTime;
  return time === undefined ? undefined : new Date(time);
}

/** Reads a node. */
export function nodeFacts(node: KubeObject, heardAt: Date | undefined): NodeFacts {
  const { status } = nodeSchema.parse(node);
  const condition = (type: string): boolean =>
    status.conditions.some((candidate) => candidate.type === type && candidate.status === 'True');
  return {
    name: node.metadata.name,
    architecture: status.nodeInfo.architecture,
    operatingSystem: status.nodeInfo.operatingSystem,
    isReady: condition('Ready'),
    hasDiskPressure: condition('DiskPressure'),
    images: status.images.flatMap(({ names }) => names ?? []),
    ephemeralStorage: bytesOf(status.allocatable['ephemeral-storage']),
    runtime: status.nodeInfo.containerRuntimeVersion,
    heardAt,
  };
}

function storageClassFacts(object: KubeObject): StorageClassFacts {
  const { volumeBindingMode } = storageSchema.parse(object);
  return {
    name: object.metadata.name,
    isDefault: object.metadata.annotations?.[DEFAULT_CLASS] === 'true',
    bindsAtOnce: volumeBindingMode === 'Immediate',
  };
}

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** Bytes in a Kubernetes quantity; `undefined` when there is none or it has another form. */
export function bytesOf(quantity: string | undefined): number | undefined {
  const match = /^([0-9]+(?:\.[0-9]+)?)([kMGT]i?|Ki|)$/.exec(quantity ?? '');
  const factor = UNITS[match?.[2] ?? '-'];
  return match === null || factor === undefined ? undefined : Number(match[1]) * factor;
}
