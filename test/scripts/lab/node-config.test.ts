import test from 'ava';
import { parse } from 'smol-toml';
import { addonManifests } from '../../../scripts/lab/addons.ts';
import { COREDNS_IMAGE } from '../../../scripts/lab/images.ts';
import { renderKubeconfig } from '../../../scripts/lab/kubeconfig.ts';
import { ADDRESSES } from '../../../scripts/lab/layout.ts';
import { cniConfig, containerdConfig, kubeletConfig, kubeProxyConfig } from '../../../scripts/lab/node-config.ts';
import { clusterCertificates } from '../../../scripts/lab/pki.ts';

interface ContainerdConfig {
  readonly version: number;
  readonly plugins: Readonly<Record<string, { readonly registry: unknown; readonly restrict_oom_score_adj: unknown }>>;
}

test('containerd reads registries from /etc/containerd/certs.d', (t) => {
  const config = parse(containerdConfig()) as unknown as ContainerdConfig;
  t.is(config.version, 2);
  t.deepEqual(config.plugins['io.containerd.grpc.v1.cri']?.registry, { config_path: '/etc/containerd/certs.d' });
});

test('containerd leaves scores alone that it may not lower', (t) => {
  const config = parse(containerdConfig()) as unknown as ContainerdConfig;
  t.true(config.plugins['io.containerd.grpc.v1.cri']?.restrict_oom_score_adj);
});

test('pods get addresses from their node’s range', (t) => {
  t.true(cniConfig('10.78.2.0/24').includes('"subnet": "10.78.2.0/24"'));
});

test('kubelet refuses the anonymous, and asks the API server who may', (t) => {
  const config = JSON.parse(kubeletConfig({ ip: '10.77.0.11', cgroup: 'g', clientAuthority: '/ca' })) as {
    authentication: { anonymous: { enabled: boolean } };
    authorization: { mode: string };
  };
  t.false(config.authentication.anonymous.enabled);
  t.is(config.authorization.mode, 'Webhook');
});

test('kube-proxy knows which addresses are pods', (t) => {
  t.is((JSON.parse(kubeProxyConfig('node-1', '/k')) as { clusterCIDR: string }).clusterCIDR, ADDRESSES.pods);
});

test('the API server’s certificate names every way to reach it', (t) => {
  const names = clusterCertificates().find(({ file }) => file === 'apiserver')?.names ?? [];
  for (const name of [
    'DNS:kubernetes.default.svc.cluster.local',
    `IP:${ADDRESSES.apiService}`,
    `IP:${ADDRESSES.controlPlane}`,
  ]) {
    t.true(names.includes(name), name);
  }
});

test('a kubeconfig carries all that it needs', (t) => {
  const text = renderKubeconfig('admin', { authority: 'A', certificate: 'C', key: 'K' });
  t.true(text.includes(Buffer.from('K').toString('base64')));
  t.false(/certificate-authority"|client-key"/.test(text));
});

test('a new cluster has one default storage class', (t) => {
  const classes = addonManifests().filter((object) => (object as { kind: string }).kind === 'StorageClass');
  t.is(classes.length, 1);
  t.true(JSON.stringify(classes).includes('"storageclass.kubernetes.io/is-default-class":"true"'));
});

test('CoreDNS runs the image that nodes have', (t) => {
  t.true(JSON.stringify(addonManifests()).includes(`"image":"${COREDNS_IMAGE}"`));
});
