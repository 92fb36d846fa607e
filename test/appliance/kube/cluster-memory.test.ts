import test from 'ava';

import { MemoryCluster } from '../../../appliance/kube/cluster-memory.ts';
import { KINDS } from '../../../appliance/kube/kube-object.ts';
import { waitReady } from '../../../appliance/kube/wait-ready.ts';
import { clusterContract } from '../../contracts/cluster.ts';

const shared = new MemoryCluster();
clusterContract(test, 'memory', () => Promise.resolve(shared));

test('deleting a namespace takes along what lies in it', async (t) => {
  const cluster = new MemoryCluster();
  await cluster.create({ ...KINDS.namespace, metadata: { name: 'a' } });
  await cluster.create({ ...KINDS.configMap, metadata: { name: 'x', namespace: 'a' } });
  await cluster.delete({ kind: KINDS.namespace, name: 'a' });
  t.deepEqual(await cluster.list(KINDS.configMap), []);
});

test('the controllers that react plays set the status', async (t) => {
  const cluster = new MemoryCluster({
    react: (object) =>
      object.kind === 'Job' ? { status: { conditions: [{ type: 'Complete', status: 'True' }] } } : undefined,
  });
  const job = await cluster.apply({ ...KINDS.job, metadata: { name: 'x', namespace: 'a' } });
  await t.notThrowsAsync(
    waitReady(cluster, { kind: KINDS.job, name: job.metadata.name, namespace: 'a' }, { timeoutMs: 1000 }),
  );
});
