import { access } from 'node:fs/promises';
import { EDGE_TABLE, edgeRuleset, NFT } from './edge.ts';
import {
  ADDRESSES,
  type LabLayout,
  NODE_NAMES,
  netnsFile,
  netnsName,
  nodeAddresses,
  PLACES,
  placeAddress,
  SITE_PLACES,
} from './layout.ts';
import { run } from './program.ts';

/** Every network namespace of a lab. */
export function labNamespaces(layout: LabLayout): string[] {
  return [layout.switchNetns, ...PLACES.map((place) => netnsName(layout, place))];
}

/** Runs `argv` in the network namespace called `netns`. */
async function inNetns(netns: string, argv: readonly string[], input?: string): Promise<void> {
  await run(['nsenter', `--net=${netnsFile(netns)}`, '--', ...argv], input === undefined ? {} : { input });
}

/**
 * Makes the lab's network: a switch, one namespace for each place of the site joined to it, routes between the nodes'
 * pod ranges, and a default route that ends at the switch, which drops what is for elsewhere. The connected side gets
 * a namespace with nothing but loopback. Nothing is made in this machine's own namespace.
 */
export async function makeNetwork(layout: LabLayout): Promise<void> {
  for (const name of labNamespaces(layout)) {
    await run(['ip', 'netns', 'add', name]);
    await inNetns(name, ['ip', 'link', 'set', 'lo', 'up']);
    await setSysctls(name, { 'net.ipv6.conf.all.disable_ipv6': 1, 'net.ipv6.conf.default.disable_ipv6': 1 });
  }
  await makeSwitch(layout);
  for (const place of SITE_PLACES) await joinSwitch(layout, place);
  await routePods(layout);
}

async function makeSwitch({ switchNetns }: LabLayout): Promise<void> {
  await inNetns(switchNetns, ['ip', 'link', 'add', 'br0', 'type', 'bridge']);
  await inNetns(switchNetns, ['ip', 'address', 'add', `${ADDRESSES.gateway}/24`, 'dev', 'br0']);
  await inNetns(switchNetns, ['ip', 'link', 'set', 'br0', 'up']);
  // It answers for the gateway's address and forwards nothing: a site behind a firewall that says nothing.
  await setSysctls(switchNetns, { 'net.ipv4.ip_forward': 0, 'net.bridge.bridge-nf-call-iptables': 0 });
}

async function joinSwitch(layout: LabLayout, place: (typeof SITE_PLACES)[number]): Promise<void> {
  const netns = netnsName(layout, place);
  const port = `port-${place}`.slice(0, 15);
  const { switchNetns } = layout;
  await run(['ip', 'link', 'add', 'eth0', 'netns', netns, 'type', 'veth', 'peer', 'name', port, 'netns', switchNetns]);
  await inNetns(switchNetns, ['ip', 'link', 'set', port, 'master', 'br0', 'up']);
  await inNetns(netns, ['ip', 'address', 'add', `${placeAddress(place)}/24`, 'dev', 'eth0']);
  await inNetns(netns, ['ip', 'link', 'set', 'eth0', 'up']);
  await inNetns(netns, ['ip', 'route', 'add', 'default', 'via', ADDRESSES.gateway]);
  await inNetns(netns, [NFT, '-f', '-'], edgeRuleset());
}

/** Pods are reached from the other node and from the control plane, whose API server calls webhooks at their pods. */
async function routePods(layout: LabLayout): Promise<void> {
  for (const place of ['control-plane', ...NODE_NAMES] as const) {
    const netns = netnsName(layout, place);
    if (place !== 'control-plane') {
      await setSysctls(netns, { 'net.ipv4.ip_forward': 1, 'net.bridge.bridge-nf-call-iptables': 1 });
    }
    for (const node of NODE_NAMES.filter((name) => name !== place)) {
      const { ip, podCidr } = nodeAddresses(node);
      await inNetns(netns, ['ip', 'route', 'add', podCidr, 'via', ip]);
    }
  }
}

async function setSysctls(netns: string, values: Readonly<Record<string, number>>): Promise<void> {
  const files = Object.entries(values).map(([key, value]) => `echo ${value} > /proc/sys/${key.replaceAll('.', '/')}`);
  await inNetns(netns, ['sh', '-ec', files.join('\n')]);
}

/** Removes the lab's network namespaces, and with them all that was in them. None is missed when absent. */
export async function removeNetwork(layout: LabLayout): Promise<void> {
  for (const name of labNamespaces(layout)) {
    const exists = await access(netnsFile(name)).then(
      () => true,
      () => false,
    );
    if (exists) await run(['ip', 'netns', 'delete', name]);
  }
}

/** Takes away what a node's programs put into its network: pods' links and every rule but the edge counter. */
export async function clearNodeNetwork(layout: LabLayout, node: (typeof NODE_NAMES)[number]): Promise<void> {
  const netns = netnsName(layout, node);
  const script = [
    'ip link delete cni0 2>/dev/null || true',
    `${NFT} list tables | grep -v ${EDGE_TABLE} | while read -r table; do ${NFT} delete $table; done`,
    'conntrack -F 2>/dev/null || true',
  ];
  await inNetns(netns, ['sh', '-ec', script.join('\n')]);
}
