import type { Cluster } from '../kube/cluster.ts';
import { isKubeError } from '../kube/kube-error.ts';
import { KINDS } from '../kube/kube-object.ts';
import { DEFAULT_MODE_KEY, MODES_CONFIG_MAP, type NamespaceMode } from '../webhook/namespace-modes.ts';
import { MANAGED } from './secrets.ts';
import { DONE, type InstallWorld, type Look, missing } from './step.ts';

const REF = { kind: KINDS.configMap, ...MODES_CONFIG_MAP };

/** The recorded modes, by namespace; `undefined` before they are made. */
export async function readModes(cluster: Cluster): Promise<Readonly<Record<string, string>> | undefined> {
  const found = await cluster.get(REF);
  return found === undefined ? undefined : (found.data ?? {});
}

/** Sets the mode of a namespace; the others stay. */
export async function setMode(cluster: Cluster, namespace: string, mode: NamespaceMode): Promise<void> {
  await cluster.patch(REF, { type: 'merge', body: { data: { [namespace]: mode } } });
}

/** Whether the modes are recorded and the configured namespaces are enforced. */
export async function lookAtModes({ cluster, config }: InstallWorld): Promise<Look> {
  const modes = await readModes(cluster);
  if (modes === undefined) return missing('the modes of namespaces');
  const loose = config.webhook.enforce.filter((namespace) => modes[namespace] !== 'enforce');
  return loose.length === 0 ? DONE : missing(`enforcing in ${loose.join(', ')}`);
}

/**
 * Records modes once: namespaces that are there now start in warn, later ones as configured. Afterwards the ConfigMap is
 * the administrator's; only the configured namespaces are still set to enforce.
 */
export async function ensureModes({ cluster, config, facts }: InstallWorld): Promise<void> {
  if ((await readModes(cluster)) === undefined) {
    const present = Object.fromEntries(facts.namespaces.map((namespace) => [namespace, 'warn']));
    const data = { ...present, [DEFAULT_MODE_KEY]: config.webhook.newNamespaces };
    try {
      await cluster.create({ ...KINDS.configMap, metadata: { ...MODES_CONFIG_MAP, labels: MANAGED }, data });
    } catch (error) {
      if (!isKubeError(error, 'ALREADY_EXISTS')) throw error;
    }
  }
  const modes = (await readModes(cluster)) ?? {};
  for (const namespace of config.webhook.enforce) {
    if (modes[namespace] !== 'enforce') await setMode(cluster, namespace, 'enforce');
  }
}
