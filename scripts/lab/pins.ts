import { LabError } from './lab-error.ts';

/** One program that the lab builds from a Go module of the public module proxy. */
export interface BinaryPin {
  /** The program's file name. */
  readonly name: string;
  /** The Go module that holds it, and the version to take. */
  readonly module: string;
  readonly version: string;
  /** The `main` package, inside the module (or inside a module that it requires). */
  readonly package: string;
  /** Symbols set at link time, beside `-s -w`: `-X key=value`. */
  readonly symbols?: Readonly<Record<string, string>>;
  /** The version that replaces the module's `v0.0.0` siblings (Kubernetes' staging modules). */
  readonly siblingVersion?: string;
  /** The program's whole source, for the one that is our own; `module` is then just a name. */
  readonly source?: string;
}

const KUBERNETES = { module: 'k8s.io/kubernetes', version: 'v1.34.4', siblingVersion: 'v0.34.4' };
const KUBERNETES_SYMBOLS = {
  'k8s.io/component-base/version.gitVersion': KUBERNETES.version,
  'k8s.io/component-base/version.gitMajor': '1',
  'k8s.io/component-base/version.gitMinor': '34',
};

function kubernetes(name: string): BinaryPin {
  return { name, ...KUBERNETES, package: `k8s.io/kubernetes/cmd/${name}`, symbols: KUBERNETES_SYMBOLS };
}

function inModule(name: string, module: `${string}@${string}`, folder: string): BinaryPin {
  const at = module.lastIndexOf('@');
  const modulePath = module.slice(0, at);
  return {
    name,
    module: modulePath,
    version: module.slice(at + 1),
    package: folder === '' ? modulePath : `${modulePath}/${folder}`,
  };
}

const TRILLIAN = 'github.com/google/trillian@v1.8.0';
const REKOR = 'github.com/sigstore/rekor@v1.5.4';

/** What keeps a pod's namespaces alive: sleeps, reaps orphans, ends when told. */
const PAUSE_SOURCE = `package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD)
	for got := range signals {
		if got != syscall.SIGCHLD {
			return
		}
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
	}
}
`;

/**
 * Every program of the lab at the version it is pinned to. Those with a newer release that isn't taken need a newer Go
 * than the lab's (Rekor v1.5.5, timestamp-authority v2.1.5 ask for Go 1.27).
 *
 * The order is the order of building: what others wait for comes first.
 */
export const BINARIES: readonly BinaryPin[] = [
  { name: 'pause', module: 'sealift.invalid/pause', version: 'v1.0.0', package: '.', source: PAUSE_SOURCE },
  inModule('registry', 'github.com/distribution/distribution/v3@v3.1.2', 'cmd/registry'),
  inModule('helm', 'helm.sh/helm/v3@v3.22.0', 'cmd/helm'),
  inModule('trillian_log_server', TRILLIAN, 'cmd/trillian_log_server'),
  inModule('trillian_log_signer', TRILLIAN, 'cmd/trillian_log_signer'),
  inModule('createtree', TRILLIAN, 'cmd/createtree'),
  inModule('updatetree', TRILLIAN, 'cmd/updatetree'),
  inModule('ct_server', 'github.com/google/certificate-transparency-go@v1.4.0', 'trillian/ctfe/ct_server'),
  inModule('fulcio', 'github.com/sigstore/fulcio@v1.8.8', ''),
  inModule('rekor-server', REKOR, 'cmd/rekor-server'),
  inModule('timestamp-server', 'github.com/sigstore/timestamp-authority/v2@v2.1.3', 'cmd/timestamp-server'),
  {
    ...inModule('cosign', 'github.com/sigstore/cosign/v3@v3.1.3', 'cmd/cosign'),
    symbols: { 'sigs.k8s.io/release-utils/version.gitVersion': 'v3.1.3' },
  },
  inModule('etcd', 'go.etcd.io/etcd/server/v3@v3.6.8', ''),
  kubernetes('kube-apiserver'),
  kubernetes('kube-controller-manager'),
  kubernetes('kube-scheduler'),
  kubernetes('kubelet'),
  kubernetes('kube-proxy'),
  kubernetes('kubectl'),
  inModule('coredns', 'github.com/coredns/coredns@v1.15.0', ''),
  inModule('rekor-server-posix', 'github.com/sigstore/rekor-tiles/v2@v2.3.0', 'cmd/rekor-server/posix'),
  inModule('crane', 'github.com/google/go-containerregistry@v0.21.9', 'cmd/crane'),
  inModule('regctl', 'github.com/regclient/regclient@v0.11.7', 'cmd/regctl'),
  inModule('tuf-client', 'github.com/theupdateframework/go-tuf/v2@v2.4.2', 'examples/cli/tuf-client'),
  inModule('rekor-cli', REKOR, 'cmd/rekor-cli'),
];

/** The pin of the program `name`. */
export function binaryPin(name: string): BinaryPin {
  const found = BINARIES.find((pin) => pin.name === name);
  if (found === undefined) {
    throw new LabError('PIN_UNKNOWN', `the lab has no program named ${name}`, {
      fix: `choose among: ${BINARIES.map((pin) => pin.name).join(', ')}`,
    });
  }
  return found;
}

/**
 * The Debian packages whose programs the lab runs on this machine, each with one file that shows it is there.
 * MariaDB isn't among them: only its files are wanted, and they go straight into an image.
 */
export const DEBIAN_PACKAGES: Readonly<Record<string, string>> = {
  containerd: '/usr/bin/containerd',
  runc: '/usr/sbin/runc',
  'containernetworking-plugins': '/usr/lib/cni/bridge',
  iproute2: '/sbin/ip',
  iptables: '/usr/sbin/iptables',
  nftables: '/usr/sbin/nft',
  conntrack: '/usr/sbin/conntrack',
  openssl: '/usr/bin/openssl',
  ipset: '/usr/sbin/ipset',
  skopeo: '/usr/bin/skopeo',
  socat: '/usr/bin/socat',
  'inotify-tools': '/usr/bin/inotifywait',
};
