import { KubeConfig } from '@kubernetes/client-node';

import type { Cluster } from './cluster.ts';
import { ApiCluster } from './cluster-api.ts';
import { KubeError } from './kube-error.ts';

/** Which cluster, as the flags that every command has say it. */
export interface ClusterChoice {
  /** Path of a kubeconfig; `KUBECONFIG`, `~/.kube/config` or the pod's own account unless told. */
  readonly kubeconfig?: string;
  /** A context of the kubeconfig; its current one unless told. */
  readonly context?: string;
}

/**
 * Opens the way to a cluster; nothing is sent yet.
 * @throws KubeError `KUBECONFIG_INVALID`: not there, not readable, no such context, or certificates not checked.
 */
export function connectCluster(choice: ClusterChoice = {}): Cluster {
  const config = loadConfig(choice);
  if (choice.context !== undefined) {
    if (config.getContextObject(choice.context) === null) throw noContext(config, choice.context);
    config.setCurrentContext(choice.context);
  }
  return open(config);
}

/** The cluster that this process runs in, as its pod's service account. @throws KubeError `KUBECONFIG_INVALID`. */
export function connectInCluster(): Cluster {
  const config = new KubeConfig();
  try {
    config.loadFromCluster();
  } catch (cause) {
    throw new KubeError('KUBECONFIG_INVALID', 'this process does not run in a pod with a service account', { cause });
  }
  return open(config);
}

function loadConfig({ kubeconfig }: ClusterChoice): KubeConfig {
  const config = new KubeConfig();
  try {
    if (kubeconfig === undefined) config.loadFromDefault();
    else config.loadFromFile(kubeconfig);
  } catch (cause) {
    throw new KubeError('KUBECONFIG_INVALID', `the kubeconfig ${kubeconfig ?? ''} can't be read`, {
      cause,
      fix: 'name a kubeconfig with --kubeconfig',
    });
  }
  return config;
}

function open(config: KubeConfig): Cluster {
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new KubeError('KUBECONFIG_INVALID', 'the kubeconfig names no cluster for its current context', {
      fix: `choose one with --context (${contextNames(config)})`,
    });
  }
  if (cluster.skipTLSVerify || !URL.canParse(cluster.server) || !cluster.server.startsWith('https://')) {
    throw new KubeError(
      'KUBECONFIG_INVALID',
      `${cluster.server}: the kubeconfig asks for a connection that is not checked`,
      {
        fix: 'give the API server an https URL and its CA (certificate-authority), and drop insecure-skip-tls-verify',
      },
    );
  }
  return new ApiCluster(config, new URL(cluster.server));
}

function contextNames(config: KubeConfig): string {
  const names = config.getContexts().map(({ name }) => name);
  return names.length === 0 ? 'it has none' : names.join(', ');
}

function noContext(config: KubeConfig, context: string): KubeError {
  return new KubeError('KUBECONFIG_INVALID', `the kubeconfig has no context ${JSON.stringify(context)}`, {
    fix: `choose one of: ${contextNames(config)}`,
  });
}
