import path from 'node:path';

import type { RepositoryStore } from '../../trust-root/repository-store.ts';
import { FileRepositoryStore } from '../../trust-root/repository-store-files.ts';
import { TrustRootError } from '../../trust-root/trust-root-error.ts';
import { connectCluster, connectInCluster } from '../kube/connect.ts';
import { ConfigMapRepositoryStore } from '../kube/repository-store-configmaps.ts';
import type { Runtime } from '../runtime.ts';

/** Where a repository is, as the flags say it. */
export interface RepositoryLocation {
  readonly repository?: string | undefined;
  readonly inCluster?: true | undefined;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly namespace: string;
}

/** Opens the repository. @throws TrustRootError `CONFIG_INVALID` for flags that contradict one another; KubeError. */
export function openRepository(runtime: Runtime, location: RepositoryLocation): RepositoryStore {
  const { repository, inCluster, kubeconfig, context, namespace } = location;
  if (repository !== undefined) {
    if (inCluster === true || kubeconfig !== undefined || context !== undefined) {
      throw new TrustRootError('CONFIG_INVALID', 'give either --repository or the cluster, not both');
    }
    return new FileRepositoryStore(path.resolve(runtime.cwd, repository));
  }
  if (inCluster === true) return new ConfigMapRepositoryStore(connectInCluster(), { namespace });
  const choice = { ...(kubeconfig === undefined ? {} : { kubeconfig }), ...(context === undefined ? {} : { context }) };
  return new ConfigMapRepositoryStore(connectCluster(choice), { namespace });
}
