import { readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { writeFileAtomic } from '../../appliance/kernel/atomic-file.ts';
import { API_SERVER } from './kubeconfig.ts';
import { LabError } from './lab-error.ts';
import {
  ADDRESSES,
  type LabLayout,
  labLayout,
  mountNamespaceFile,
  NODE_NAMES,
  netnsFile,
  netnsName,
  nodeAddresses,
} from './layout.ts';
import { bootIdFile, nodeDiskPath } from './node.ts';

const node = z.object({
  name: z.enum(NODE_NAMES),
  ip: z.string(),
  podCidr: z.string(),
  /** Files to enter the node's network and mount namespace by. */
  netns: z.string(),
  mountNamespace: z.string(),
  /** containerd's socket, as seen on the node. */
  containerdSocket: z.string(),
  /** Holds the node's boot id; replaced at each boot. */
  bootIdFile: z.string(),
  /** The node's /var/lib/sealift and /etc/containerd, as this machine sees them. */
  sealiftDir: z.string(),
  containerdConfigDir: z.string(),
});

const labState = z.object({
  name: z.string(),
  dir: z.string(),
  kubeconfig: z.string(),
  apiServer: z.string(),
  /** Programs of the lab by name, as paths. */
  binaries: z.record(z.string(), z.string()),
  operator: z.object({ netns: z.string(), ip: z.string() }),
  nodes: z.array(node),
  /** The service-account issuer's and the cluster's certificate authority. */
  clusterAuthority: z.string(),
  connected: z
    .looseObject({
      netns: z.string(),
    })
    .describe('the connected side; what runs there adds its own facts'),
});

/** What other programs need to know about a lab that is up: `lab.json`. */
export type LabState = z.infer<typeof labState>;
export type LabNode = LabState['nodes'][number];

/** The facts of a lab whose programs are `binaries`. */
export function describeLab(layout: LabLayout, binaries: ReadonlyMap<string, string>): LabState {
  return {
    name: layout.name,
    dir: layout.dir,
    kubeconfig: layout.kubeconfig,
    apiServer: API_SERVER,
    binaries: Object.fromEntries(binaries),
    operator: { netns: netnsFile(netnsName(layout, 'operator')), ip: ADDRESSES.operator },
    nodes: NODE_NAMES.map((name) => ({
      name,
      ...nodeAddresses(name),
      netns: netnsFile(netnsName(layout, name)),
      mountNamespace: mountNamespaceFile(layout, name) ?? '',
      containerdSocket: '/run/containerd/containerd.sock',
      bootIdFile: bootIdFile(layout, name),
      sealiftDir: nodeDiskPath(layout, name, '/var/lib/sealift') ?? '',
      containerdConfigDir: nodeDiskPath(layout, name, '/etc/containerd') ?? '',
    })),
    clusterAuthority: `${layout.pkiDir}/ca.crt`,
    connected: { netns: netnsFile(netnsName(layout, 'connected')) },
  };
}

/**
 * The lab called `name`.
 * @throws LabError `LAB_MISSING` when it isn't up.
 */
export async function loadLab(name: string): Promise<LabState> {
  const { stateFile, dir } = labLayout(name);
  const fix = `npm run lab:up -- --name ${name}`;
  const text = await readFile(stateFile, 'utf8').catch(async () => {
    const begun = await stat(dir).catch(() => undefined);
    const what = begun === undefined ? `there is no lab called ${name}` : `lab ${name} came up only in part`;
    throw new LabError('LAB_MISSING', what, { fix });
  });
  const parsed = labState.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  throw new LabError('LAB_MISSING', `${stateFile} isn't of this version: ${z.prettifyError(parsed.error)}`, { fix });
}

/** Replaces a lab's facts. */
export async function saveLab(lab: LabState): Promise<void> {
  await writeFileAtomic(labLayout(lab.name).stateFile, `${JSON.stringify(lab, null, 2)}\n`);
}

/** Adds facts about the connected side to a lab's. */
export async function describeConnectedSide(name: string, facts: Readonly<Record<string, unknown>>): Promise<LabState> {
  const lab = await loadLab(name);
  const changed = { ...lab, connected: { ...lab.connected, ...facts } };
  await saveLab(changed);
  return changed;
}
