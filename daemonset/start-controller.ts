import { randomUUID } from 'node:crypto';

import type { Clock } from '../appliance/kernel/clock.ts';
import type { Log } from '../appliance/kernel/log.ts';
import type { Cluster } from '../appliance/kube/cluster.ts';
import { KINDS } from '../appliance/kube/kube-object.ts';
import { ConfigMapRepositoryStore } from '../appliance/kube/repository-store-configmaps.ts';
import { registryClient } from '../mirror/registry-client.ts';
import { importPlainKey } from '../trust-root/keys.ts';
import { DEFAULT_POLICY } from '../trust-root/repository-policy.ts';
import { keySigner, type Signer } from '../trust-root/signer.ts';
import { runController } from './controller.ts';
import { DaemonsetError } from './daemonset-error.ts';
import { listRepositories } from './registry-catalog.ts';
import { siteMirrors } from './site-names.ts';
import { SitePublisher, type SiteStateSigners } from './site-publisher.ts';
import { SiteScan } from './site-scan.ts';

/** What the controller is started with. */
export interface ControllerSettings {
  /** Sealift's own namespace, and the one with the TUF repository and its online keys. */
  readonly namespace: string;
  readonly stackNamespace: string;
  /** Secret in the stack's namespace with `snapshot.pem`, `timestamp.pem`, `site-state.pem`. */
  readonly keysSecret: string;
  readonly registryUrl: URL;
  /** PEM of the site CA. */
  readonly ca: string;
  /** Tells this process from its like; the pod's name. */
  readonly name: string;
}

/** What the controller takes from its surroundings. */
export interface ControllerSurroundings {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Name of the Lease by which one controller is elected. */
export const CONTROLLER_LEASE = 'sealift-controller';
/** Name of the ConfigMap in Sealift's namespace whose every change has the registry scanned at once. */
export const SCAN_REQUEST = 'sealift-scan-request';

/** Runs the controller until the signal aborts. @throws KubeError when nodes may not be watched. */
export async function startController(
  settings: ControllerSettings,
  surroundings: ControllerSurroundings,
): Promise<void> {
  const { cluster, clock, log, signal } = surroundings;
  const { namespace, stackNamespace, registryUrl, ca, name } = settings;
  const url = registryUrl.origin;
  const registry = registryClient({ mirrors: siteMirrors(url), ca, clock, signal });
  const scan = new SiteScan({ registry, catalog: async () => await listRepositories({ url, ca, signal }), log });
  const publisher = new SitePublisher({
    store: new ConfigMapRepositoryStore(cluster, { namespace: stackNamespace }),
    policy: DEFAULT_POLICY,
    signers: async () => await readSigners(cluster, settings),
    clock,
    log,
  });
  const election = { cluster, namespace, lease: CONTROLLER_LEASE, identity: `${name}_${randomUUID()}`, clock, log };
  const scanRequest = { namespace, name: SCAN_REQUEST };
  try {
    await runController({ cluster, election, siteState: { scan, publisher }, scanRequest, log }, signal);
  } finally {
    await registry.close();
  }
}

/** The online keys as they are in the cluster now. @throws DaemonsetError `CONFIG_INVALID`, KubeError. */
async function readSigners(
  cluster: Cluster,
  { stackNamespace, keysSecret }: Pick<ControllerSettings, 'stackNamespace' | 'keysSecret'>,
): Promise<SiteStateSigners> {
  const secret = await cluster.get({ kind: KINDS.secret, namespace: stackNamespace, name: keysSecret });
  const signer = (role: string): Signer => {
    const pem = secret?.data?.[`${role}.pem`];
    if (pem === undefined) {
      throw new DaemonsetError('CONFIG_INVALID', `Secret ${stackNamespace}/${keysSecret} has no ${role}.pem`, {
        fix: 'sealift install makes the online keys; a backup of the site has them',
      });
    }
    return keySigner(importPlainKey(Buffer.from(pem, 'base64').toString('utf8')));
  };
  return { snapshot: signer('snapshot'), timestamp: signer('timestamp'), siteState: signer('site-state') };
}
