import { createHash, randomBytes } from 'node:crypto';

import type { Cluster } from '../kube/cluster.ts';
import { isKubeError } from '../kube/kube-error.ts';
import { KINDS, type KubeObject } from '../kube/kube-object.ts';

/** Names a Secret or a ConfigMap. */
export interface InNamespace {
  readonly namespace: string;
  readonly name: string;
}

/** The label of everything that Sealift makes outside of its charts. */
export const MANAGED = { 'app.kubernetes.io/managed-by': 'sealift' } as const;

/** What a Secret holds. */
export type SecretData = Readonly<Record<string, Buffer | string>>;

function encoded(data: SecretData): Record<string, string> {
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')]));
}

function secretObject({ namespace, name }: InNamespace, data: SecretData, type: string): KubeObject {
  return { ...KINDS.secret, metadata: { namespace, name, labels: MANAGED }, type, data: encoded(data) };
}

/** The content of a Secret; `undefined` when it is not there. */
export async function readSecret(
  cluster: Cluster,
  name: InNamespace,
): Promise<ReadonlyMap<string, Buffer> | undefined> {
  const secret = await cluster.get({ kind: KINDS.secret, ...name });
  if (secret === undefined) return undefined;
  return new Map(Object.entries(secret.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64')]));
}

/**
 * Makes a Secret unless it is there: what is there is never replaced, not even by a run that was faster.
 * @returns the content that is in force.
 */
export async function createSecretOnce(
  cluster: Cluster,
  name: InNamespace,
  { data, type = 'Opaque' }: { data: () => Promise<SecretData>; type?: string },
): Promise<ReadonlyMap<string, Buffer>> {
  const present = await readSecret(cluster, name);
  if (present !== undefined) return present;
  try {
    await cluster.create(secretObject(name, await data(), type));
  } catch (error) {
    if (!isKubeError(error, 'ALREADY_EXISTS')) throw error;
  }
  return (await readSecret(cluster, name)) ?? new Map<string, Buffer>();
}

/** Sets keys of a Secret; those that others made stay. Writes nothing when nothing changes. */
export async function applySecret(
  cluster: Cluster,
  name: InNamespace,
  { data, type = 'Opaque' }: { data: SecretData; type?: string },
): Promise<void> {
  await cluster.apply(secretObject(name, data, type));
}

/** A password that needs no quoting anywhere: 32 hex digits, 128 bits. */
export function randomPassword(): string {
  return randomBytes(16).toString('hex');
}

/** Stands for the content of Secrets and ConfigMaps: pods that bear it are rolled when one changes. */
export async function contentDigest(cluster: Cluster, names: readonly InNamespace[]): Promise<string> {
  const hash = createHash('sha256');
  for (const name of names) {
    const content = (await readSecret(cluster, name)) ?? new Map<string, Buffer>();
    for (const [key, value] of [...content].sort(([a], [b]) => (a < b ? -1 : 1))) {
      hash.update(`${name.namespace}/${name.name}/${key}\0${value.byteLength}\0`).update(value);
    }
  }
  return hash.digest('hex');
}
