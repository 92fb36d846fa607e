import path from 'node:path';
import { cacheFolder } from './cache.ts';
import { LabError } from './lab-error.ts';

/** The two nodes of every lab. */
export const NODE_NAMES = ['node-1', 'node-2'] as const;
export type NodeName = (typeof NODE_NAMES)[number];

/**
 * Addresses inside a lab. They are the same in every lab: each lab is a closed world of network namespaces with no link
 * to this machine's own network or to another lab's.
 */
export const ADDRESSES = {
  /** Nodes, control plane, operator's host, and the gateway that leads nowhere. */
  nodes: '10.77.0.0/24',
  gateway: '10.77.0.1',
  operator: '10.77.0.5',
  controlPlane: '10.77.0.10',
  pods: '10.78.0.0/16',
  services: '10.79.0.0/16',
  /** The API server's own service, and the cluster's DNS. */
  apiService: '10.79.0.1',
  dns: '10.79.0.10',
} as const;

/** The API server's port, in the control plane's own namespace. */
export const API_SERVER_PORT = 6443;

/** Where one node is: its address, and the range that its pods' addresses come from. */
export interface NodeAddresses {
  readonly ip: string;
  readonly podCidr: string;
}

/** The addresses of `node`. */
export function nodeAddresses(node: NodeName): NodeAddresses {
  const number = NODE_NAMES.indexOf(node) + 1;
  return { ip: `10.77.0.${10 + number}`, podCidr: `10.78.${number}.0/24` };
}

/** Places inside a lab where a program can be run. */
export type Place = 'operator' | 'connected' | 'control-plane' | NodeName;

/** Every name and path of one lab; follows from its name alone, so that a half-made lab can be taken down too. */
export interface LabLayout {
  readonly name: string;
  /** The lab's own folder; everything that it writes is below. */
  readonly dir: string;
  readonly logDir: string;
  readonly pkiDir: string;
  readonly kubeconfig: string;
  readonly stateFile: string;
  /** A private bind mount that holds the mount namespaces' files. */
  readonly namespaceDir: string;
  /** The host-path provisioner's folder, one for both nodes. */
  readonly volumesDir: string;
  /** The lab's folder in every cgroup hierarchy, from the hierarchy's root. */
  readonly cgroup: string;
  /** Network namespace of the switch that joins the site's namespaces. */
  readonly switchNetns: string;
}

const NAME = /^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$/;

/**
 * The layout of the lab called `name`.
 * @throws LabError `NAME_INVALID`: letters, digits and dashes, at most 20, starting with a letter.
 */
export function labLayout(name: string, cache: string = cacheFolder()): LabLayout {
  if (!NAME.test(name)) {
    throw new LabError('NAME_INVALID', `not a lab's name: ${JSON.stringify(name)}`, {
      fix: 'use at most 20 small letters, digits and dashes, starting with a letter',
    });
  }
  const dir = path.join(labsFolder(cache), name);
  return {
    name,
    dir,
    logDir: path.join(dir, 'log'),
    pkiDir: path.join(dir, 'pki'),
    kubeconfig: path.join(dir, 'kubeconfig'),
    stateFile: path.join(dir, 'lab.json'),
    namespaceDir: path.join(dir, 'ns'),
    volumesDir: path.join(dir, 'volumes'),
    cgroup: `sealift-lab-${name}`,
    switchNetns: `${name}-switch`,
  };
}

/** The folder that holds one folder for each lab. */
export function labsFolder(cache: string = cacheFolder()): string {
  return path.join(cache, 'labs');
}

const NETNS_SUFFIX: Readonly<Record<Place, string>> = {
  operator: 'op',
  connected: 'connected',
  'control-plane': 'cp',
  'node-1': 'node-1',
  'node-2': 'node-2',
};

/** All places of a lab. */
export const PLACES = ['operator', 'connected', 'control-plane', ...NODE_NAMES] as const satisfies readonly Place[];

/** The places that are on the site's network. */
export const SITE_PLACES = ['operator', 'control-plane', ...NODE_NAMES] as const satisfies readonly Place[];

/** The name of a place's network namespace, as `ip netns` lists it. */
export function netnsName(layout: LabLayout, place: Place): string {
  return `${layout.name}-${NETNS_SUFFIX[place]}`;
}

/** The file to enter the network namespace called `name` by. */
export function netnsFile(name: string): string {
  return `/run/netns/${name}`;
}

/** Whether a place has a mount namespace of its own. */
export function hasMountNamespace(place: Place): place is 'control-plane' | NodeName {
  return place !== 'operator' && place !== 'connected';
}

/** The file to enter a place's mount namespace by; nothing for a place that shares this machine's. */
export function mountNamespaceFile(layout: LabLayout, place: Place): string | undefined {
  return hasMountNamespace(place) ? path.join(layout.namespaceDir, place) : undefined;
}

/** A place's address on the site's network. */
export function placeAddress(place: (typeof SITE_PLACES)[number]): string {
  if (place === 'operator') return ADDRESSES.operator;
  return place === 'control-plane' ? ADDRESSES.controlPlane : nodeAddresses(place).ip;
}

/** The words to put before a program's own, so that it runs at `place`. */
export function enterArgv(layout: LabLayout, place: Place): string[] {
  const mount = mountNamespaceFile(layout, place);
  return [
    'nsenter',
    `--net=${netnsFile(netnsName(layout, place))}`,
    ...(mount === undefined ? [] : [`--mount=${mount}`]),
    '--',
  ];
}

/** The folder of a node's or the control plane's own files. */
export function placeDir(layout: LabLayout, place: 'control-plane' | NodeName): string {
  return path.join(layout.dir, place);
}
