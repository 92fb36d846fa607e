import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';

import type { Clock } from '../appliance/kernel/clock.ts';
import type { Log } from '../appliance/kernel/log.ts';
import type { Wait } from '../appliance/kernel/repeat.ts';
import type { Cluster } from '../appliance/kube/cluster.ts';
import { registryClient } from '../mirror/registry-client.ts';
import { nodePaths } from '../trust-root/generation.ts';
import { urlTransport } from '../trust-root/tuf-transport.ts';
import { Agent, runAgent } from './agent.ts';
import { readBootId } from './boot-id.ts';
import { DaemonsetError } from './daemonset-error.ts';
import { probe, probeServer } from './health.ts';
import { hostFiles } from './host-files.ts';
import { withBrackets } from './hosts-toml.ts';
import { MirrorHosts } from './mirror-hosts.ts';
import { NodeConditionWriter } from './node-condition.ts';
import { NodeTrust } from './node-trust.ts';
import type { RootSource } from './pinned-root.ts';
import { siteMirrors } from './site-names.ts';

/** What an agent is started with. */
export interface AgentSettings {
  readonly nodeName: string;
  /** sha256 of root v1, 64 hex digits. */
  readonly rootSha256: string;
  /** A file with root v1; the TUF server's `1.root.json` is taken when it is left out or not there. */
  readonly rootFile?: string;
  readonly tufUrl: URL;
  readonly registryUrl: URL;
  /** PEM file of the site CA. */
  readonly caFile: string;
  /** Sealift's folder on the node, mounted under the same path. */
  readonly stateDir: string;
  readonly bootIdFile: string;
  /** How containerd is led to the registry; left out: hosts.toml are not Sealift's business here. */
  readonly mirror?: MirrorSettings;
  /** Address of the probes. */
  readonly listen: { readonly host?: string; readonly port: number };
}

/** The part of the settings that hosts.toml are written from. */
export interface MirrorSettings {
  /** certs.d of the node, mounted under the same path. */
  readonly certsDir: string;
  readonly registryAddress: string;
  readonly hosts: readonly string[];
}

/** What an agent takes from its surroundings. */
export interface AgentSurroundings {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly wait?: Wait;
}

const STEP_EVERY_MS = 2_000;
const FETCH_TIMEOUT_MS = 10_000;
const MAX_ROOT_BYTES = 1024 * 1024;

/** Runs the agent of one node until the signal aborts. @throws DaemonsetError for settings that can't be used. */
export async function startAgent(settings: AgentSettings, surroundings: AgentSurroundings): Promise<void> {
  const { cluster, clock, log, signal, wait } = surroundings;
  const caPem = await readFile(settings.caFile, 'utf8').catch((cause: unknown) => {
    throw new DaemonsetError('CONFIG_INVALID', `${settings.caFile}: the site CA can't be read`, { cause, exitCode: 2 });
  });
  const paths = nodePaths(settings.stateDir);
  const transport = urlTransport(settings.tufUrl, { ca: caPem, timeoutMs: FETCH_TIMEOUT_MS, signal });
  const registry = registryClient({ mirrors: siteMirrors(settings.registryUrl.origin), ca: caPem, clock, signal });
  const { mirror } = settings;
  const agent = new Agent({
    paths,
    root: rootSource(settings, transport),
    bootId: await readBootId(settings.bootIdFile),
    trust: new NodeTrust({ paths, transport, registry, clock, log }),
    ...(mirror === undefined ? {} : { hosts: mirrorHosts(settings.stateDir, mirror, { caPem, log }) }),
    condition: new NodeConditionWriter({ cluster, name: settings.nodeName, clock }),
    clock,
    log,
  });
  const server = probeServer((path) => probe({ status: () => agent.status, clock }, path));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(settings.listen, resolve);
  });
  log.info('the agent runs', { node: settings.nodeName, probes: (server.address() as AddressInfo).port });
  try {
    await runAgent(agent, { everyMs: STEP_EVERY_MS, ...(wait === undefined ? {} : { wait }) }, signal);
  } finally {
    server.close();
    server.closeAllConnections();
    await registry.close();
  }
}

function rootSource({ rootSha256, rootFile }: AgentSettings, transport: ReturnType<typeof urlTransport>): RootSource {
  const fromFile = async (): Promise<Buffer | undefined> =>
    rootFile === undefined ? undefined : await readFile(rootFile).catch(() => undefined);
  const fromServer = async (): Promise<Buffer | undefined> =>
    await transport.fetch({ kind: 'metadata', path: '1.root.json', maxBytes: MAX_ROOT_BYTES });
  return { sha256: rootSha256, candidates: [fromFile, fromServer] };
}

function mirrorHosts(
  stateDir: string,
  { certsDir, registryAddress, hosts }: MirrorSettings,
  { caPem, log }: { readonly caPem: string; readonly log: Log },
): MirrorHosts {
  const folders = { certs: hostFiles(certsDir), state: hostFiles(stateDir) };
  return new MirrorHosts({ folders, registryAddress: withBrackets(registryAddress), caPem, hosts, log });
}
