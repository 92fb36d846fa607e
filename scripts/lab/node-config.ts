import { ADDRESSES } from './layout.ts';

/** The image that holds a pod's namespaces. */
export const PAUSE_IMAGE = 'registry.k8s.io/pause:3.10';

/**
 * containerd's configuration, as a kubeadm node has it: cgroupfs driver, registries configured by folder.
 *
 * `restrict_oom_score_adj`: a machine without CAP_SYS_RESOURCE can't lower a score, and every sandbox would die of it.
 */
export function containerdConfig(): string {
  return `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "/run/containerd/containerd.sock"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/etc/containerd/certs.d"

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`;
}

/** The pods' network of one node: a bridge, addresses from the node's range, host ports. */
export function cniConfig(podCidr: string): string {
  const config = {
    cniVersion: '0.4.0',
    name: 'lab',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        // Pod addresses are routed as they are: nothing is hidden behind a node's address.
        ipMasq: false,
        hairpinMode: true,
        ipam: { type: 'host-local', ranges: [[{ subnet: podCidr }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** What kubelet's configuration depends on. */
export interface KubeletSettings {
  readonly ip: string;
  /** The cgroup that holds the node's pods, from the root of each hierarchy. */
  readonly cgroup: string;
  readonly clientAuthority: string;
}

/** kubelet's configuration, as JSON. */
export function kubeletConfig({ ip, cgroup, clientAuthority }: KubeletSettings): string {
  const config = {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: ip,
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: clientAuthority },
    },
    authorization: { mode: 'Webhook' },
    clusterDNS: [ADDRESSES.dns],
    clusterDomain: 'cluster.local',
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${cgroup}`,
    failCgroupV1: false,
    failSwapOn: false,
    oomScoreAdj: 0,
    // A disconnected site has no resolver beyond the cluster's own.
    resolvConf: '/etc/kubernetes/resolv.conf',
    // This machine's disk isn't the lab's to judge.
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    imageGCHighThresholdPercent: 100,
    imageGCLowThresholdPercent: 99,
    serializeImagePulls: false,
    rotateCertificates: false,
    registerNode: true,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** kube-proxy's configuration, as JSON. */
export function kubeProxyConfig(node: string, kubeconfig: string): string {
  const config = {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    hostnameOverride: node,
    clientConnection: { kubeconfig },
    clusterCIDR: ADDRESSES.pods,
    mode: 'iptables',
    // Zero: leave the machine's table of connections alone.
    conntrack: { maxPerCore: 0 },
    oomScoreAdj: 0,
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}
