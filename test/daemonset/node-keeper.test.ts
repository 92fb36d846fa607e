import test, { type ExecutionContext } from 'ava';

import { silentLog } from '../../appliance/kernel/log.ts';
import { MemoryCluster } from '../../appliance/kube/cluster-memory.ts';
import { KubeError } from '../../appliance/kube/kube-error.ts';
import { KINDS, type KubeObject } from '../../appliance/kube/kube-object.ts';
import { keepAllNodes, keepNodes } from '../../daemonset/node-keeper.ts';
import { TRUST_TAINT } from '../../daemonset/node-taint.ts';
import { BOOT_1, BOOT_2, nodeObject } from './node-world.ts';

const never = async (_ms: number, signal: AbortSignal): Promise<void> =>
  await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));

const ref = (name: string) => ({ kind: KINDS.node, name });

async function taintsOf(cluster: MemoryCluster, name = 'node-1'): Promise<unknown[]> {
  const spec = (await cluster.get(ref(name)))?.spec as { taints?: { key: string }[] } | undefined;
  return (spec?.taints ?? []).filter(({ key }) => key === TRUST_TAINT.key);
}

/** Waits until the taint is, or is not, on the node; the test's own timeout ends a wait in vain. */
async function until(cluster: MemoryCluster, name: string, tainted: boolean): Promise<void> {
  while ((await taintsOf(cluster, name)).length > 0 !== tainted) await new Promise((resolve) => setImmediate(resolve));
}

function keeping(t: ExecutionContext, cluster: MemoryCluster): void {
  const abort = new AbortController();
  const kept = keepNodes({ cluster, log: silentLog, wait: never }, abort.signal);
  t.teardown(async () => {
    abort.abort();
    await kept;
  });
}

const report = (bootId: string) => ({ bootId, generation: { number: 1, signedAt: new Date(0) } });

test('a new node is tainted at once, and untainted when its agent has synced', async (t) => {
  const cluster = new MemoryCluster();
  keeping(t, cluster);
  await cluster.create(nodeObject());
  await until(cluster, 'node-1', true);
  const { status } = nodeObject({ report: report(BOOT_1) });
  await cluster.patch(ref('node-1'), { type: 'merge', subresource: 'status', body: { status } });
  await until(cluster, 'node-1', false);
  t.pass();
});

test('a node that comes back with another boot id is tainted until it is synced for that', async (t) => {
  const cluster = new MemoryCluster();
  await cluster.create(nodeObject({ report: report(BOOT_1) }));
  keeping(t, cluster);
  const rebooted = nodeObject({ bootId: BOOT_2, report: report(BOOT_1) });
  await cluster.patch(ref('node-1'), { type: 'merge', body: { status: rebooted.status } });
  await until(cluster, 'node-1', true);
  const synced = nodeObject({ bootId: BOOT_2, report: report(BOOT_2) });
  await cluster.patch(ref('node-1'), { type: 'merge', body: { status: synced.status } });
  await until(cluster, 'node-1', false);
  t.pass();
});

test('one node does not stand for another', async (t) => {
  const cluster = new MemoryCluster();
  await cluster.create(nodeObject({ name: 'a', report: report(BOOT_1) }));
  await cluster.create(nodeObject({ name: 'b' }));
  await keepAllNodes({ cluster, log: silentLog });
  t.is((await taintsOf(cluster, 'a')).length, 0);
  t.is((await taintsOf(cluster, 'b')).length, 1);
});

test('a second look at settled nodes writes nothing', async (t) => {
  const cluster = new MemoryCluster();
  await cluster.create(nodeObject({ name: 'a', report: report(BOOT_1) }));
  await cluster.create(nodeObject({ name: 'b' }));
  await keepAllNodes({ cluster, log: silentLog });
  const before = cluster.writes;
  await keepAllNodes({ cluster, log: silentLog });
  t.is(cluster.writes, before);
});

test('a taint that another controller adds in between is not lost', async (t) => {
  const taint = { key: 'other', effect: 'NoSchedule' };
  class Racing extends MemoryCluster {
    raced = false;
    override async patch(...args: Parameters<MemoryCluster['patch']>): Promise<KubeObject> {
      if (!this.raced) {
        this.raced = true;
        await super.patch(args[0], { type: 'merge', body: { spec: { taints: [taint] } } });
      }
      return await super.patch(...args);
    }
  }
  const cluster = new Racing();
  await cluster.create(nodeObject());
  await keepAllNodes({ cluster, log: silentLog });
  t.is((await taintsOf(cluster)).length, 0);
  await keepAllNodes({ cluster, log: silentLog });
  const spec = (await cluster.get(ref('node-1')))?.spec as { taints: { key: string }[] };
  t.deepEqual(spec.taints.map(({ key }) => key).sort(), ['other', TRUST_TAINT.key]);
});

test('a node whose patch fails does not keep the others from being looked at', async (t) => {
  class Failing extends MemoryCluster {
    override async patch(...args: Parameters<MemoryCluster['patch']>): Promise<KubeObject> {
      if (args[0].name === 'a') throw new KubeError('SERVER_ERROR', 'etcd is busy');
      return await super.patch(...args);
    }
  }
  const cluster = new Failing();
  await cluster.create(nodeObject({ name: 'a' }));
  await cluster.create(nodeObject({ name: 'b' }));
  await keepAllNodes({ cluster, log: silentLog });
  t.is((await taintsOf(cluster, 'b')).length, 1);
});
