import { X509Certificate } from 'node:crypto';

import { z } from 'zod';

import { nodeView } from '../../daemonset/node-object.ts';
import { statusOf } from '../../trust-root/refresh.ts';
import { DEFAULT_POLICY } from '../../trust-root/repository-policy.ts';
import { loadRepository } from '../../trust-root/repository-state.ts';
import { splitPemChain } from '../../trust-root/x509.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Cluster } from '../kube/cluster.ts';
import { KINDS, type KubeObject } from '../kube/kube-object.ts';
import { readinessOf } from '../kube/readiness.ts';
import { ConfigMapRepositoryStore } from '../kube/repository-store-configmaps.ts';
import { readSiteCa } from './certificate-authorities.ts';
import { readState } from './install-state.ts';
import { readLogIds } from './log-ids.ts';
import { readSiteConfig } from './site-config.ts';
import { SEALIFT, STACK } from './site-names.ts';

/** One running part of a site. */
export interface ComponentStatus {
  readonly namespace: string;
  readonly name: string;
  readonly ready: boolean;
  readonly message: string;
  readonly images: readonly string[];
}

/** Something that ends. */
export interface ExpiryStatus {
  readonly what: string;
  readonly expires: string;
  readonly daysLeft: number;
  readonly condition: 'ok' | 'due' | 'expired';
}

/** How a node's trust stands. */
export interface NodeStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly synced: boolean;
  readonly reason: string;
  readonly generation: number | undefined;
  /** Seconds since the site signed the state that the node has. */
  readonly trustAgeSeconds: number | undefined;
}

/** How a site stands. */
export interface SiteStatus {
  readonly site: string | undefined;
  readonly version: string | undefined;
  readonly bundle: string | undefined;
  readonly logs: { readonly rekor?: string; readonly ctlog?: string };
  readonly components: readonly ComponentStatus[];
  readonly certificates: readonly ExpiryStatus[];
  readonly trust: readonly ExpiryStatus[];
  readonly nodes: readonly NodeStatus[];
}

const DAY_MS = 86_400_000;
const DUE_DAYS = 60;
const workloadSchema = z.looseObject({
  spec: z.looseObject({
    template: z.looseObject({ spec: z.looseObject({ containers: z.array(z.looseObject({ image: z.string() })) }) }),
  }),
});

function componentOf(object: KubeObject): ComponentStatus {
  const { state, message } = readinessOf(object);
  const images = workloadSchema.parse(object).spec.template.spec.containers.map(({ image }) => image);
  const { name, namespace = '' } = object.metadata;
  return { namespace, name, ready: state === 'ready', message, images: [...new Set(images)] };
}

async function components(cluster: Cluster): Promise<ComponentStatus[]> {
  const found: ComponentStatus[] = [];
  for (const namespace of [STACK, SEALIFT]) {
    for (const kind of [KINDS.statefulSet, KINDS.deployment, KINDS.daemonSet]) {
      found.push(...(await cluster.list(kind, { namespace })).map(componentOf));
    }
  }
  return found;
}

function expiry(what: string, expires: Date, now: Date): ExpiryStatus {
  const daysLeft = Math.floor((expires.getTime() - now.getTime()) / DAY_MS);
  const condition = daysLeft < 0 ? 'expired' : daysLeft <= DUE_DAYS ? 'due' : 'ok';
  return { what, expires: expires.toISOString(), daysLeft, condition };
}

/** Every certificate in the site's Secrets and ConfigMaps; of a chain, the one that ends first. */
async function certificates(cluster: Cluster, now: Date): Promise<ExpiryStatus[]> {
  const found: ExpiryStatus[] = [];
  const labelSelector = 'app.kubernetes.io/managed-by=sealift';
  for (const namespace of [STACK, SEALIFT]) {
    for (const { data, metadata } of await cluster.list(KINDS.secret, { namespace, labelSelector })) {
      const encoded = data?.['tls.crt'] ?? data?.['chain.pem'];
      const pem = Buffer.from(encoded ?? '', 'base64').toString();
      if (encoded !== undefined) found.push(expiry(`${namespace}/${metadata.name}`, endOf(pem), now));
    }
  }
  const ca = await readSiteCa({ cluster });
  if (ca !== undefined) found.push(expiry('site CA', endOf(ca), now));
  return found.sort((x, y) => x.daysLeft - y.daysLeft);
}

/** When the first certificate of a chain ends. */
function endOf(pem: string): Date {
  return new Date(Math.min(...splitPemChain(pem).map((block) => new X509Certificate(block).validToDate.getTime())));
}

async function trust(cluster: Cluster, now: Date): Promise<ExpiryStatus[]> {
  const store = new ConfigMapRepositoryStore(cluster, { namespace: STACK });
  if ((await store.read('1.root.json')) === undefined) return [];
  return statusOf(await loadRepository(store), DEFAULT_POLICY, now).map(
    ({ role, expires, daysLeft, condition, online }) => ({
      what: `${role}${online ? '' : ' (offline keys)'}`,
      expires: expires.toISOString(),
      daysLeft: Math.floor(daysLeft),
      // The cluster signs its own roles when they are due: only those with offline keys need anybody.
      condition: online && condition === 'due' ? 'ok' : condition,
    }),
  );
}

function nodeStatus(object: KubeObject, now: Date): NodeStatus {
  const { name } = object.metadata;
  const view = nodeView(object);
  const ready = view?.isReady === true;
  const report = view?.trust?.report;
  const nothing = { generation: undefined, trustAgeSeconds: undefined };
  if (report === undefined) return { name, ready, synced: false, reason: 'no agent has reported', ...nothing };
  const { generation } = report;
  const isThisBoot = report.bootId === view?.bootId;
  const since = (signedAt: Date): number => Math.floor((now.getTime() - signedAt.getTime()) / 1000);
  return {
    name,
    ready,
    synced: report.synced && isThisBoot,
    reason: isThisBoot ? report.reason : 'synced for another boot',
    generation: generation?.number,
    trustAgeSeconds: generation === undefined ? undefined : since(generation.signedAt),
  };
}

/** Looks at a site; changes nothing. */
export async function siteStatus(cluster: Cluster, clock: Clock): Promise<SiteStatus> {
  const now = clock.now();
  const [state, config, logs] = await Promise.all([readState(cluster), readSiteConfig(cluster), readLogIds(cluster)]);
  return {
    site: config?.site.name,
    version: state.version,
    bundle: state.bundle,
    logs: {
      ...(logs.rekor === undefined ? {} : { rekor: logs.rekor }),
      ...(logs.ctlog === undefined ? {} : { ctlog: logs.ctlog }),
    },
    components: await components(cluster),
    certificates: await certificates(cluster, now),
    trust: await trust(cluster, now),
    nodes: (await cluster.list(KINDS.node)).map((node) => nodeStatus(node, now)),
  };
}

/** What somebody must do something about, in words; empty for a site that is well. */
export function complaintsOf({ components: parts, certificates: certs, trust: roles, nodes }: SiteStatus): string[] {
  const ends = ({ what, daysLeft, condition }: ExpiryStatus): string =>
    condition === 'expired' ? `${what} has expired` : `${what} ends in ${daysLeft} days`;
  return [
    ...parts.filter(({ ready }) => !ready).map(({ namespace, name, message }) => `${namespace}/${name}: ${message}`),
    ...[...certs, ...roles].filter(({ condition }) => condition !== 'ok').map(ends),
    ...nodes
      .filter(({ synced, ready }) => !synced || !ready)
      .map(({ name, reason, ready }) => `node ${name}: ${ready ? reason : 'not ready'}`),
  ];
}

/** The status as lines for a console. */
export function statusLines(status: SiteStatus): string[] {
  const { site, version, bundle, logs } = status;
  const row = (cells: readonly string[]): string => `  ${cells.join('  ')}`;
  const mark = (good: boolean): string => (good ? 'ok  ' : 'BAD ');
  const age = (seconds: number | undefined): string =>
    seconds === undefined ? '-' : `${Math.floor(seconds / 60)} min`;
  return [
    `site ${site ?? '(none)'}, sealift ${version ?? '-'}, bundle ${bundle?.slice(7, 19) ?? '-'}, log ${logs.rekor ?? '-'}`,
    'components',
    ...status.components.map(({ namespace, name, ready, message }) =>
      row([mark(ready), `${namespace}/${name}`, ready ? '' : message]),
    ),
    'certificates',
    ...status.certificates.map(({ what, daysLeft, condition }) =>
      row([mark(condition === 'ok'), what, `${daysLeft} days`]),
    ),
    'trust',
    ...status.trust.map(({ what, daysLeft, condition }) => row([mark(condition === 'ok'), what, `${daysLeft} days`])),
    'nodes',
    ...status.nodes.map(({ name, synced, reason, generation, trustAgeSeconds }) =>
      row([mark(synced), name, reason, `generation ${generation ?? '-'}`, `trust signed ${age(trustAgeSeconds)} ago`]),
    ),
  ];
}
