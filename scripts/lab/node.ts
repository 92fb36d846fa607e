import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { killCgroup, makeCgroup, removeCgroup } from './cgroups.ts';
import { daemonEnded, daemonLog, daemonPid, placeCgroup, startDaemon } from './daemon.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { enterArgv, type LabLayout, type NodeName, nodeAddresses, placeDir } from './layout.ts';
import { type Bind, dropMountNamespace, makeMountNamespace } from './mount-namespace.ts';
import { clearNodeNetwork } from './network.ts';
import { cniConfig, containerdConfig, kubeletConfig, kubeProxyConfig } from './node-config.ts';
import { run } from './program.ts';
import { waitUntil } from './wait.ts';

/** A node's own folders that outlive a power cut: where they lie in the lab, and where the node sees them. */
const DISK: Readonly<Record<string, string>> = {
  kubelet: '/var/lib/kubelet',
  containerd: '/var/lib/containerd',
  sealift: '/var/lib/sealift',
  cni: '/var/lib/cni',
  'log-pods': '/var/log/pods',
  'log-containers': '/var/log/containers',
  'etc-containerd': '/etc/containerd',
  'etc-cni': '/etc/cni',
  'etc-kubernetes': '/etc/kubernetes',
  'etc-systemd': '/etc/systemd/system',
};
/** Those that are in memory on a real node, and gone after a power cut. */
const MEMORY: Readonly<Record<string, string>> = { containerd: '/run/containerd', netns: '/run/netns' };

const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/** The programs of a node, by what they are on it. */
export type NodeProgram = 'containerd' | 'kubelet' | 'kube-proxy';
export const NODE_PROGRAMS: readonly NodeProgram[] = ['containerd', 'kubelet', 'kube-proxy'];

/** The name in the lab of a node's program. */
export function nodeDaemon(node: NodeName, program: NodeProgram): string {
  return `${node}-${program}`;
}

/** The file that holds the node's current boot id. */
export function bootIdFile(layout: LabLayout, node: NodeName): string {
  return path.join(placeDir(layout, node), 'memory', 'boot-id');
}

/** A file of the node's disk, by the path that the node sees it at; nothing when it isn't on the node's own disk. */
export function nodeDiskPath(layout: LabLayout, node: NodeName, seenAt: string): string | undefined {
  for (const [name, point] of Object.entries(DISK)) {
    const relative = path.relative(point, seenAt);
    if (!relative.startsWith('..')) return path.join(placeDir(layout, node), 'disk', name, relative);
  }
  return undefined;
}

/** Lays a node's files: configuration of containerd, CNI, kubelet and kube-proxy, and its credentials. Once in its life. */
export async function makeNode(layout: LabLayout, node: NodeName): Promise<void> {
  const disk = path.join(placeDir(layout, node), 'disk');
  for (const name of Object.keys(DISK)) await mkdir(path.join(disk, name), { recursive: true });
  await mkdir(path.join(disk, 'etc-cni', 'net.d'), { recursive: true });
  await mkdir(path.join(disk, 'etc-containerd', 'certs.d'), { recursive: true });
  const kubernetes = path.join(disk, 'etc-kubernetes');
  const { ip, podCidr } = nodeAddresses(node);
  const cgroup = `${placeCgroup(layout, node)}/pods`;
  await writeFile(path.join(disk, 'etc-containerd', 'config.toml'), containerdConfig());
  await writeFile(path.join(disk, 'etc-cni', 'net.d', '10-lab.conflist'), cniConfig(podCidr));
  await writeFile(path.join(kubernetes, 'resolv.conf'), '');
  await writeFile(
    path.join(kubernetes, 'kubelet.json'),
    kubeletConfig({ ip, cgroup, clientAuthority: '/etc/kubernetes/ca.crt' }),
  );
  await writeFile(
    path.join(kubernetes, 'kube-proxy.json'),
    kubeProxyConfig(node, '/etc/kubernetes/kube-proxy.kubeconfig'),
  );
  await copyFile(path.join(layout.pkiDir, 'ca.crt'), path.join(kubernetes, 'ca.crt'));
  await writeKubeconfig(layout, node, path.join(kubernetes, 'kubelet.kubeconfig'));
  await writeKubeconfig(layout, 'kube-proxy', path.join(kubernetes, 'kube-proxy.kubeconfig'));
}

/**
 * Boots a node as far as its container runtime: new boot id, its own mounts, containerd answering.
 * The node must have been made, and be down.
 */
export async function bootNode(layout: LabLayout, node: NodeName): Promise<void> {
  const memory = path.join(placeDir(layout, node), 'memory');
  for (const name of Object.keys(MEMORY)) await mkdir(path.join(memory, name), { recursive: true });
  await writeFile(bootIdFile(layout, node), `${randomUUID()}\n`);
  await makeCgroup(`${placeCgroup(layout, node)}/pods`);
  await makeMountNamespace(layout, node, nodeBinds(layout, node));
  await startContainerd(layout, node);
}

function nodeBinds(layout: LabLayout, node: NodeName): Bind[] {
  const below = (part: string, points: Readonly<Record<string, string>>) =>
    Object.entries(points).map(([name, to]) => ({ from: path.join(placeDir(layout, node), part, name), to }));
  return [
    ...below('disk', DISK),
    ...below('memory', MEMORY),
    { from: bootIdFile(layout, node), to: BOOT_ID },
    { from: '/usr/lib/cni', to: '/opt/cni/bin' },
    // One folder for both nodes: the host-path provisioner ties a volume to no node, and a claim must show the same
    // files wherever its pod is started next.
    { from: layout.volumesDir, to: '/tmp/hostpath_pv' },
  ];
}

/** Starts the node's containerd, and waits until it answers. */
export async function startContainerd(layout: LabLayout, node: NodeName): Promise<void> {
  const name = nodeDaemon(node, 'containerd');
  await startDaemon(layout, { name, place: node, argv: ['containerd', '--config', '/etc/containerd/config.toml'] });
  await waitUntil(`containerd of ${node} to answer`, {
    timeoutMs: 60_000,
    everyMs: 200,
    fix: `see ${daemonLog(layout, name)}`,
    hopeless: () => daemonEnded(layout, name, node),
    probe: async () => {
      await run([...enterArgv(layout, node), 'ctr', 'version'], { timeoutMs: 5000 });
      return true;
    },
  });
}

/** Puts an image archive into the node's containerd, where kubelet sees it. */
export async function importImage(layout: LabLayout, node: NodeName, archive: string): Promise<void> {
  await run([...enterArgv(layout, node), 'ctr', '-n', 'k8s.io', 'images', 'import', archive]);
}

/** Starts kubelet and kube-proxy of a node that has booted, and waits until kubelet answers. */
export async function startKubelet(layout: LabLayout, node: NodeName, binaries: ReadonlyMap<string, string>) {
  const start = async (program: NodeProgram, words: readonly string[]) => {
    const argv = [binaries.get(program) ?? program, ...words];
    await startDaemon(layout, { name: nodeDaemon(node, program), place: node, argv });
  };
  await start('kube-proxy', ['--config=/etc/kubernetes/kube-proxy.json']);
  const kubelet = nodeDaemon(node, 'kubelet');
  await waitUntil(`kubelet of ${node} to answer`, {
    timeoutMs: 60_000,
    everyMs: 300,
    fix: `see ${daemonLog(layout, kubelet)}`,
    probe: async () => {
      // As systemd does: it ends when containerd is still busy with the pods that it finds after a boot.
      if ((await daemonPid(layout, kubelet, node)) === undefined) await start('kubelet', kubeletWords(node));
      await run([...enterArgv(layout, node), 'bash', '-c', 'echo > /dev/tcp/127.0.0.1/10248'], { timeoutMs: 5000 });
      return true;
    },
  });
}

function kubeletWords(node: NodeName): string[] {
  return [
    '--config=/etc/kubernetes/kubelet.json',
    '--kubeconfig=/etc/kubernetes/kubelet.kubeconfig',
    `--hostname-override=${node}`,
    `--node-ip=${nodeAddresses(node).ip}`,
  ];
}

/**
 * Takes the power from a node: every process on it dies at once (pods, shims, containerd, kubelet), and so does what
 * was in memory: mounts, containerd's state, links and rules. Its disk stays.
 */
export async function cutPower(layout: LabLayout, node: NodeName): Promise<void> {
  await killCgroup(placeCgroup(layout, node));
  await removeCgroup(placeCgroup(layout, node));
  await dropMountNamespace(layout, node);
  await clearNodeNetwork(layout, node);
  await rm(path.join(placeDir(layout, node), 'memory'), { recursive: true, force: true });
}

/** Whether all of a node's programs run. */
export async function isNodeRunning(layout: LabLayout, node: NodeName): Promise<boolean> {
  const pids = await Promise.all(NODE_PROGRAMS.map((program) => daemonPid(layout, nodeDaemon(node, program), node)));
  const there = await stat(bootIdFile(layout, node)).catch(() => undefined);
  return there !== undefined && pids.every((pid) => pid !== undefined);
}
