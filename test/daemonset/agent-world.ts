import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import type { ExecutionContext } from 'ava';

import { type Digest, hexOf } from '../../appliance/kernel/digest.ts';
import { type Log, silentLog } from '../../appliance/kernel/log.ts';
import { MemoryCluster } from '../../appliance/kube/cluster-memory.ts';
import { KINDS } from '../../appliance/kube/kube-object.ts';
import { Agent } from '../../daemonset/agent.ts';
import { hostFiles } from '../../daemonset/host-files.ts';
import { MirrorHosts } from '../../daemonset/mirror-hosts.ts';
import { NodeConditionWriter } from '../../daemonset/node-condition.ts';
import { nodeView } from '../../daemonset/node-object.ts';
import { NodeTrust } from '../../daemonset/node-trust.ts';
import { type NodePaths, nodePaths } from '../../trust-root/generation.ts';
import type { MemoryRepositoryStore } from '../../trust-root/repository-store-memory.ts';
import { TrustRootError } from '../../trust-root/trust-root-error.ts';
import { storeTransport, type TufTransport } from '../../trust-root/tuf-transport.ts';
import { BOOT_1, nodeObject } from './node-world.ts';
import { type SiteWorld, siteWorld } from './site-world.ts';

/** A site, and one node of it with its agent. */
export interface AgentWorld extends SiteWorld {
  readonly base: string;
  readonly paths: NodePaths;
  readonly certs: string;
  readonly cluster: MemoryCluster;
  /** An agent as it is after its process was started (again). */
  readonly newAgent: (options?: { bootId?: string; log?: Log }) => Agent;
  /** Cuts the node off from the TUF server, or lets it reach another repository. */
  readonly link: { repository: MemoryRepositoryStore | undefined };
  /** `status reason generation` of the node's condition. */
  readonly said: () => Promise<string>;
  /** What the condition says of what went wrong. */
  readonly detail: () => Promise<string>;
  readonly evidenceFile: (digest: Digest) => string;
}

export async function agentWorld(t: ExecutionContext): Promise<AgentWorld> {
  const site = await siteWorld(t);
  const base = await mkdtemp(path.join(tmpdir(), 'sealift-agent-'));
  t.teardown(async () => await rm(base, { recursive: true, force: true }));
  const paths = nodePaths(path.join(base, 'var/lib/sealift'));
  const certs = path.join(base, 'etc/containerd/certs.d');
  await mkdir(certs, { recursive: true });
  const cluster = new MemoryCluster({ clock: site.tuf.clock });
  await cluster.create(nodeObject());
  const link: AgentWorld['link'] = { repository: site.tuf.store };
  const transport: TufTransport = {
    fetch: async (file) => {
      if (link.repository === undefined) throw new TrustRootError('FETCH_FAILED', 'the TUF server is away');
      return await storeTransport(link.repository).fetch(file);
    },
  };
  const report = async () => nodeView(await cluster.get({ kind: KINDS.node, name: 'node-1' }))?.trust?.report;
  const { clock, root } = site.tuf;
  return {
    ...site,
    base,
    paths,
    certs,
    cluster,
    link,
    newAgent: ({ bootId = BOOT_1, log = silentLog } = {}) =>
      new Agent({
        paths,
        root: { sha256: createHash('sha256').update(root).digest('hex'), candidates: [async () => root] },
        bootId,
        trust: new NodeTrust({ paths, transport, registry: site.client, clock, log }),
        hosts: new MirrorHosts({
          folders: { certs: hostFiles(certs), state: hostFiles(paths.base) },
          registryAddress: '10.96.0.20',
          caPem: 'the site CA\n',
          hosts: ['docker.io'],
          log,
        }),
        condition: new NodeConditionWriter({ cluster, name: 'node-1', clock }),
        clock,
        log,
      }),
    said: async () => {
      const { synced, reason, generation } = (await report()) ?? { synced: false, reason: 'nothing' };
      return `${synced ? 'True' : 'False'} ${reason} ${generation?.number ?? 0}`;
    },
    detail: async () => (await report())?.detail ?? '',
    evidenceFile: (digest) => path.join(paths.evidence, 'sha256', hexOf(digest)),
  };
}

/** The text of a file; empty when it is not there. */
export async function textOf(file: string): Promise<string> {
  return await readFile(file, 'utf8').catch(() => '');
}
