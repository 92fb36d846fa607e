import { nodeView } from '../../daemonset/node-object.ts';
import { TRUST_TAINT } from '../../daemonset/node-taint.ts';
import { releaseDigest } from '../helm/release-digest.ts';
import { KINDS, type KubeObject } from '../kube/kube-object.ts';
import { waitReady } from '../kube/wait-ready.ts';
import { InstallerError } from './installer-error.ts';
import { readLogIds } from './log-ids.ts';
import type { ProgressItem } from './progress.ts';
import { SEALIFT, STACK } from './site-names.ts';
import type { InstallWorld, Tell } from './step.ts';

/** What an uninstallation works with. */
export type UninstallWorld = Pick<InstallWorld, 'cluster' | 'helm' | 'bundle' | 'signal' | 'readyTimeoutMs'>;

const NODE_AGENT = { name: 'node-agent', namespace: SEALIFT };
/** What goes after the webhook and the agents, the last installed first. */
const SERVICES = [
  ...['tsa', 'rekor', 'fulcio', 'ctlog', 'trillian', 'mariadb', 'tuf'].map((name) => ({ name, namespace: STACK })),
  { name: 'registry', namespace: SEALIFT },
];
/** What the next installation must do again, whatever it finds. */
const FORGOTTEN = ['accepted', 'bundle'] as const;

async function takeWebhookAway({ helm, cluster }: UninstallWorld): Promise<void> {
  // Before anything else: a webhook that is registered and gone would refuse every pod of the cluster.
  for (const kind of [KINDS.mutatingWebhook, KINDS.validatingWebhook]) await cluster.delete({ kind, name: 'sealift' });
  await helm.uninstall({ name: 'webhook', namespace: SEALIFT });
}

/** Lets the agents put their nodes back: hosts.toml and the condition. They do it in a pod each, in restore mode. */
async function restoreNodes(world: UninstallWorld, tell: Tell): Promise<void> {
  const { helm, cluster, bundle, readyTimeoutMs, signal } = world;
  const values = await helm.values(NODE_AGENT);
  if (values === undefined) return;
  const release = { ...NODE_AGENT, chart: await bundle.chart(NODE_AGENT.name), values: { ...values, restore: true } };
  await helm.deploy(release, await releaseDigest(release));
  const ref = { kind: KINDS.daemonSet, name: 'node-agent', namespace: SEALIFT };
  await waitReady(cluster, ref, { timeoutMs: readyTimeoutMs, signal, onProgress: (message) => tell(message) });
  await helm.uninstall(NODE_AGENT);
}

/** Takes our taint off every node; the controller that kept it is gone. */
async function removeTaints({ cluster }: UninstallWorld): Promise<void> {
  for (const node of await cluster.list(KINDS.node)) {
    const view = nodeView(node);
    const others = view?.taints.filter(({ key }) => key !== TRUST_TAINT.key) ?? [];
    if (view === undefined || others.length === view.taints.length) continue;
    const metadata = view.resourceVersion === undefined ? {} : { metadata: { resourceVersion: view.resourceVersion } };
    await cluster.patch(
      { kind: KINDS.node, name: view.name },
      { type: 'merge', body: { ...metadata, spec: { taints: others } } },
    );
  }
}

async function forget({ cluster }: UninstallWorld): Promise<void> {
  const ref = { kind: KINDS.configMap, namespace: SEALIFT, name: 'sealift-state' };
  if ((await cluster.get(ref)) === undefined) return;
  const data = Object.fromEntries(FORGOTTEN.map((key) => [key, null]));
  await cluster.patch(ref, { type: 'merge', body: { data } });
}

/**
 * The steps that take a site away: the webhook first, then nodes as they were, then the services. Log database, keys, TUF
 * repository and registry content stay: an installation after it goes on with them.
 */
export function uninstallItems(world: UninstallWorld): ProgressItem[] {
  const item = (title: string, run: (tell: Tell) => Promise<void>): ProgressItem => ({
    title,
    run: async (tell) => {
      world.signal.throwIfAborted();
      await run(tell);
      return 'done';
    },
  });
  return [
    item('Admission webhook is gone', () => takeWebhookAway(world)),
    item('Nodes are as they were before', (tell) => restoreNodes(world, tell)),
    item('Nodes are untainted', () => removeTaints(world)),
    item('Services are gone', async (tell) => {
      for (const release of SERVICES)
        if (await world.helm.uninstall(release)) tell(`${release.namespace}/${release.name}`);
    }),
    item('The site knows that it is not installed', () => forget(world)),
  ];
}

/**
 * Refuses to destroy a log unless its own id was typed.
 * @throws InstallerError `REFUSED`.
 */
export async function assertLogId({ cluster }: Pick<UninstallWorld, 'cluster'>, typed: string): Promise<void> {
  const { rekor } = await readLogIds(cluster);
  if (rekor === typed) return;
  throw new InstallerError('REFUSED', `the log of this site is not ${typed}`, {
    fix: `sealift status shows its id; what it proves about every signature ends with it`,
  });
}

/** Deletes what uninstalling keeps: log database, keys, TUF repository, registry. There is no way back. */
export function destroyItem({ cluster, signal, readyTimeoutMs }: UninstallWorld): ProgressItem {
  return {
    title: 'Log database, keys and trust are destroyed',
    run: async (tell) => {
      for (const name of [STACK, SEALIFT]) {
        await cluster.delete({ kind: KINDS.namespace, name });
        tell(`namespace ${name}`);
        const judge = (object: KubeObject | undefined) =>
          ({ state: object === undefined ? 'ready' : 'waiting', message: 'going away' }) as const;
        await waitReady(cluster, { kind: KINDS.namespace, name }, { timeoutMs: readyTimeoutMs, signal, judge });
      }
      return 'done';
    },
  };
}
