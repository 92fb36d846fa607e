import test from 'ava';

import type { Cluster } from '../../../appliance/kube/cluster.ts';
import { connectCluster } from '../../../appliance/kube/connect.ts';
import { KubeError } from '../../../appliance/kube/kube-error.ts';
import { KINDS } from '../../../appliance/kube/kube-object.ts';
import { clusterContract } from '../../contracts/cluster.ts';
import { apiServerBinaries, startApiServer, type TestApiServer } from '../../support/api-server.ts';

const given = process.env['SEALIFT_E2E_KUBECONFIG'];
const binaries = given === undefined ? await apiServerBinaries() : undefined;

let started: Promise<TestApiServer> | undefined;

async function kubeconfig(): Promise<string> {
  if (given !== undefined) return given;
  if (binaries === undefined) throw new Error('no API server');
  started ??= startApiServer(binaries);
  return (await started).kubeconfig;
}

async function open(context?: string): Promise<Cluster> {
  return connectCluster({ kubeconfig: await kubeconfig(), ...(context === undefined ? {} : { context }) });
}

test.after.always(async () => {
  await (await started?.catch(() => undefined))?.stop();
});

if (given === undefined && binaries === undefined) {
  test('real API server: left out, the programs of the lab are not on this machine', (t) => {
    t.pass();
  });
} else {
  test.before(async (t) => {
    t.timeout(120_000);
    await open();
    await (await open()).apply({ ...KINDS.namespace, metadata: { name: 'default' } });
  });
  clusterContract(test, 'real API server', () => open());
}

if (binaries !== undefined) {
  test('real API server: a caller without rights is told which right is missing', async (t) => {
    const cluster = await open('nobody');
    t.false(await cluster.canI({ verb: 'list', group: '', resource: 'nodes' }));
    await t.throwsAsync(cluster.list(KINDS.node), { instanceOf: KubeError, code: 'FORBIDDEN', message: /nodes/ });
  });

  test('real API server: a kind that it does not serve lists as empty and is refused when applied', async (t) => {
    const cluster = await open();
    t.deepEqual(await cluster.list(KINDS.clusterImagePolicy), []);
    const applied = cluster.apply({ ...KINDS.clusterImagePolicy, metadata: { name: 'x' } });
    await t.throwsAsync(applied, { instanceOf: KubeError, code: 'KIND_UNKNOWN' });
  });

  test('real API server: a watch without rights rejects instead of trying for ever', async (t) => {
    const cluster = await open('nobody');
    const watched = cluster.watch(KINDS.node, { onEvent: () => undefined, signal: AbortSignal.timeout(20_000) });
    await t.throwsAsync(watched, { instanceOf: KubeError, code: 'FORBIDDEN' });
  });
}
