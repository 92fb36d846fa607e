import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { makeCgroup } from './cgroups.ts';
import { daemonEnded, daemonLog, placeCgroup, startDaemon } from './daemon.ts';
import { API_SERVER, writeKubeconfig } from './kubeconfig.ts';
import { ADDRESSES, API_SERVER_PORT, enterArgv, type LabLayout, placeDir } from './layout.ts';
import { makeMountNamespace } from './mount-namespace.ts';
import { keyPair } from './pki.ts';
import { run } from './program.ts';
import { waitUntil } from './wait.ts';

const PLACE = 'control-plane';
const SERVICE_ACCOUNT_ISSUER = 'https://kubernetes.default.svc.cluster.local';

/** The programs of the control plane, in the order that they start in. */
export const CONTROL_PLANE_DAEMONS = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'volume-permissions',
] as const;

/**
 * Starts the control plane, in a place of its own so that either node can die without it.
 * @returns when the API server is ready and the others are started.
 */
export async function startControlPlane(layout: LabLayout, binaries: ReadonlyMap<string, string>): Promise<void> {
  const dir = placeDir(layout, PLACE);
  await mkdir(path.join(dir, 'etcd'), { recursive: true, mode: 0o700 });
  await mkdir(layout.volumesDir, { recursive: true });
  await makeCgroup(placeCgroup(layout, PLACE));
  await makeMountNamespace(layout, PLACE, [{ from: layout.volumesDir, to: '/tmp/hostpath_pv' }]);
  for (const user of ['controller-manager', 'scheduler']) {
    await writeKubeconfig(layout, user, path.join(dir, `${user}.kubeconfig`));
  }
  const start = async (name: string, words: readonly string[]) => {
    await startDaemon(layout, { name, place: PLACE, argv: [binaries.get(name) ?? name, ...words] });
  };
  await start('etcd', etcdFlags(dir));
  await start('kube-apiserver', apiServerFlags(layout));
  await waitForApiServer(layout, binaries);
  await start('kube-controller-manager', controllerManagerFlags(layout, dir));
  await start('kube-scheduler', [`--kubeconfig=${path.join(dir, 'scheduler.kubeconfig')}`, '--leader-elect=false']);
  await startDaemon(layout, volumePermissions());
}

function etcdFlags(dir: string): string[] {
  return [
    `--data-dir=${path.join(dir, 'etcd')}`,
    '--listen-client-urls=http://127.0.0.1:2379',
    '--advertise-client-urls=http://127.0.0.1:2379',
    '--listen-peer-urls=http://127.0.0.1:2380',
    // A lab's state isn't kept: don't make every write wait for the disk.
    '--unsafe-no-fsync',
    '--log-level=warn',
  ];
}

/** As kubeadm sets them; where it differs, the reason is given. */
function apiServerFlags(layout: LabLayout): string[] {
  const pki = (file: string) => path.join(layout.pkiDir, file);
  return [
    `--advertise-address=${ADDRESSES.controlPlane}`,
    `--secure-port=${API_SERVER_PORT}`,
    '--etcd-servers=http://127.0.0.1:2379',
    '--allow-privileged=true',
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--enable-bootstrap-token-auth=true',
    `--client-ca-file=${pki('ca.crt')}`,
    `--tls-cert-file=${pki('apiserver.crt')}`,
    `--tls-private-key-file=${pki('apiserver.key')}`,
    `--kubelet-client-certificate=${pki('apiserver-kubelet-client.crt')}`,
    `--kubelet-client-key=${pki('apiserver-kubelet-client.key')}`,
    // Node names don't resolve here.
    '--kubelet-preferred-address-types=InternalIP',
    `--proxy-client-cert-file=${pki('front-proxy-client.crt')}`,
    `--proxy-client-key-file=${pki('front-proxy-client.key')}`,
    `--requestheader-client-ca-file=${pki('front-proxy-ca.crt')}`,
    '--requestheader-allowed-names=front-proxy-client',
    '--requestheader-username-headers=X-Remote-User',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    `--service-account-issuer=${SERVICE_ACCOUNT_ISSUER}`,
    `--service-account-key-file=${pki('sa.pub')}`,
    `--service-account-signing-key-file=${pki('sa.key')}`,
    `--service-cluster-ip-range=${ADDRESSES.services}`,
    // The control plane's place has no kube-proxy: webhooks are called at their pods instead of their service address.
    '--enable-aggregator-routing=true',
  ];
}

function controllerManagerFlags(layout: LabLayout, dir: string): string[] {
  const pki = (file: string) => path.join(layout.pkiDir, file);
  return [
    `--kubeconfig=${path.join(dir, 'controller-manager.kubeconfig')}`,
    '--leader-elect=false',
    '--use-service-account-credentials=true',
    `--root-ca-file=${pki('ca.crt')}`,
    `--service-account-private-key-file=${pki('sa.key')}`,
    `--cluster-signing-cert-file=${pki('ca.crt')}`,
    `--cluster-signing-key-file=${pki('ca.key')}`,
    `--service-cluster-ip-range=${ADDRESSES.services}`,
    '--controllers=*,bootstrapsigner,tokencleaner',
    // Makes a folder below /tmp/hostpath_pv for each claim; see volumePermissions and the mounts of each node.
    '--enable-hostpath-provisioner=true',
  ];
}

/**
 * The host-path provisioner makes folders that only root can write to. Real provisioners make them writable for the
 * pod (by fsGroup, or by mode as local-path does); this does it the moment that a folder appears.
 */
function volumePermissions() {
  const watch = 'inotifywait -q -m -e create --format %w%f /tmp/hostpath_pv';
  const argv = ['sh', '-c', `${watch} | while read -r folder; do chmod 0777 "$folder"; done`];
  return { name: 'volume-permissions', place: PLACE, argv } as const;
}

async function waitForApiServer(layout: LabLayout, binaries: ReadonlyMap<string, string>): Promise<void> {
  const { certificate, key } = keyPair(layout, 'admin');
  await waitUntil('the API server to be ready', {
    timeoutMs: 120_000,
    everyMs: 250,
    fix: `see ${daemonLog(layout, 'kube-apiserver')} and ${daemonLog(layout, 'etcd')}`,
    hopeless: async () =>
      (await daemonEnded(layout, 'etcd', PLACE)) ?? (await daemonEnded(layout, 'kube-apiserver', PLACE)),
    probe: async () => {
      const words = ['--server', API_SERVER, '--certificate-authority', path.join(layout.pkiDir, 'ca.crt')];
      const user = ['--client-certificate', certificate, '--client-key', key, '--request-timeout=3s'];
      const kubectl = binaries.get('kubectl') ?? 'kubectl';
      const argv = [...enterArgv(layout, 'operator'), kubectl, ...words, ...user, 'get', '--raw', '/readyz'];
      const { code } = await run(argv, { allow: 'any', timeoutMs: 10_000 });
      return code === 0;
    },
  });
}
