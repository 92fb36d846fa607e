import type { ExecutionContext } from 'ava';
import { z } from 'zod';

import { bootId, killNode, kubectl, startNode, waitForNode } from '../../../scripts/lab/lab.ts';
import { waitUntil } from '../../../scripts/lab/wait.ts';
import { lookAtNode, type NodeStand, nodeStand, nodeToBe } from './node-trust.ts';
import { create, field, remove, rolledOut } from './objects.ts';
import type { Proof } from './proofs.ts';
import { ENFORCED } from './site-files.ts';
import { watchObjects } from './watch.ts';
import { workload } from './workloads.ts';
import type { World } from './world.ts';

const NODE = 'node-2';
const namespace = ENFORCED;
const podSchema = z.object({
  metadata: z.object({ name: z.string(), resourceVersion: z.string() }),
  spec: z.object({ nodeName: z.string().optional() }),
});

/** A pod that only {@link NODE} can take. */
function podForNode(name: string): object {
  const pod = workload('Pod', { name, namespace, image: 'ghcr.io/acme/app:v1' }) as { spec: object };
  return { ...pod, spec: { ...pod.spec, nodeSelector: { 'kubernetes.io/hostname': NODE } } };
}

async function boundTo({ lab }: World, name: string): Promise<string> {
  return await field(lab, ['-n', namespace, 'pod', name], '{.spec.nodeName}');
}

/** The revision of the cluster at which each pod got its node. */
function bindings(seen: readonly unknown[]): Map<string, bigint> {
  const found = new Map<string, bigint>();
  for (const { metadata, spec } of seen.map((object) => podSchema.parse(object))) {
    const { name, resourceVersion } = metadata;
    if (spec.nodeName !== undefined && !found.has(name)) found.set(name, BigInt(resourceVersion));
  }
  return found;
}

/** How the node stood at a revision of the cluster. */
function standAt(stands: readonly NodeStand[], revision: bigint): NodeStand | undefined {
  return stands.filter(({ resourceVersion }) => resourceVersion < revision).at(-1);
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

/** The moments of a node's boot, in milliseconds since its power came back. */
async function timeBoot(world: World): Promise<{ readonly ready: number; readonly synced: number }> {
  const started = Date.now();
  await startNode(world.lab, NODE);
  await waitForNode(world.lab, NODE);
  const ready = Date.now() - started;
  await nodeToBe(world, NODE, { what: 'synced for this boot', timeoutMs: 120_000, is: ({ synced }) => synced });
  return { ready, synced: Date.now() - started };
}

/** Waits until all that runs on the site is whole again. */
export async function wholeAgain(world: World): Promise<void> {
  const { lab } = world;
  for (const owner of ['sigstore-system', 'sealift-system']) {
    const query = '{range .items[*]}{.kind}/{.metadata.name}{"\\n"}{end}';
    const kinds = 'deployments,statefulsets,daemonsets';
    const { stdout } = await kubectl(lab, ['-n', owner, 'get', kinds, '-o', `jsonpath=${query}`]);
    for (const name of stdout.trim().split('\n')) await rolledOut(lab, owner, name);
  }
  await nodeToBe(world, NODE, { what: 'free of the taint', timeoutMs: 60_000, is: ({ tainted }) => !tainted });
}

/** What happens on a node between its boot and its agent's word. */
export const rebootProofs: readonly Proof[] = [
  {
    id: '6-dead',
    title: 'a dead node is tainted, and after its boot nothing new is scheduled there before its trust is synced',
    needs: ['4-admitted'],
    prove: async (t, world) => {
      const { lab } = world;
      const before = await bootId(lab, NODE);
      const started = Date.now();
      await killNode(lab, NODE);
      await nodeToBe(world, NODE, { what: 'tainted', timeoutMs: 120_000, is: ({ tainted }) => tainted });
      world.measured.set('power cut to taint', seconds(Date.now() - started));
      await remove(lab, namespace, 'pod', 'after-boot');
      const { accepted, words } = await create(lab, podForNode('after-boot'));
      t.true(accepted, words);
      const nodes = watchObjects(lab, ['node', NODE]);
      const pods = watchObjects(lab, ['-n', namespace, 'pod', 'after-boot']);
      try {
        const { ready, synced } = await timeBoot(world);
        world.measured.set('boot to Ready', seconds(ready));
        world.measured.set('boot to synced', seconds(synced));
        await waitUntil('the pod to be bound', {
          timeoutMs: 60_000,
          probe: async () => (await boundTo(world, 'after-boot')) === NODE && bindings(pods.seen).size === 1,
        });
      } finally {
        await Promise.all([nodes.stop(), pods.stop()]);
      }
      const stand = standAt(nodes.seen.map(nodeStand), bindings(pods.seen).get('after-boot') ?? 0n);
      t.not(stand?.bootId, before);
      t.true(stand?.synced === true && !stand.tainted, JSON.stringify(stand?.report));
      await wholeAgain(world);
    },
  },
  {
    id: '6-window',
    title: 'a reboot that is faster than the control plane notices: the window is measured',
    needs: ['6-dead'],
    prove: async (t, world) => {
      const { lab } = world;
      await remove(lab, namespace, 'pods', '-l', 'app=window');
      const nodes = watchObjects(lab, ['node', NODE]);
      const pods = watchObjects(lab, ['-n', namespace, 'pods', '-l', 'app=window']);
      const stop = new AbortController();
      try {
        await killNode(lab, NODE);
        const stream = keepCreating(world, t, stop.signal);
        const { ready, synced } = await timeBoot(world);
        stop.abort();
        await stream;
        world.measured.set('fast reboot: boot to Ready', seconds(ready));
        world.measured.set('fast reboot: Ready to synced', seconds(synced - ready));
      } finally {
        stop.abort();
        await Promise.all([nodes.stop(), pods.stop()]);
      }
      const stands = nodes.seen.map(nodeStand);
      const told = stands.find(({ bootId: id }) => id !== stands[0]?.bootId);
      const all = [...bindings(pods.seen).values()];
      const unnoticed = all.filter((revision) => revision < (told?.resourceVersion ?? 0n));
      const unsynced = all.filter((revision) => {
        const stand = standAt(stands, revision);
        return stand !== undefined && stand.bootId === told?.bootId && !stand.synced;
      });
      world.measured.set('fast reboot: pods bound before the new boot was known', String(unnoticed.length));
      world.measured.set('fast reboot: pods bound after that and before it was synced', String(unsynced.length));
      t.log(
        [...world.measured]
          .filter(([name]) => name.startsWith('fast'))
          .map((pair) => pair.join(': '))
          .join('\n'),
      );
      // What the scheduler may still bind in the instant between kubelet's first word and the controller's taint.
      t.true(unsynced.length <= 2, `${unsynced.length} pods`);
      await remove(lab, namespace, 'pods', '-l', 'app=window');
      await wholeAgain(world);
      t.true((await lookAtNode(world, NODE)).synced);
    },
  },
];

/** Creates one pod after the other for the node, each as soon as the one before it is there. */
async function keepCreating(world: World, t: ExecutionContext, signal: AbortSignal): Promise<void> {
  for (let index = 0; !signal.aborted; index += 1) {
    const pod = podForNode(`window-${index}`) as { metadata: object };
    const labelled = { ...pod, metadata: { ...pod.metadata, labels: { app: 'window' } } };
    const { accepted, words } = await create(world.lab, labelled);
    if (!accepted) t.log(words);
  }
}
