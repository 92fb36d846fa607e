import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';

import ava from 'ava';

import { systemClock } from '../../appliance/kernel/clock.ts';
import { describeError } from '../../appliance/kernel/coded-error.ts';
import { silentLog } from '../../appliance/kernel/log.ts';
import type { Cluster } from '../../appliance/kube/cluster.ts';
import { connectCluster } from '../../appliance/kube/connect.ts';
import { KINDS, type KubeObject } from '../../appliance/kube/kube-object.ts';
import { ConfigMapRepositoryStore } from '../../appliance/kube/repository-store-configmaps.ts';
import { leadWhenElected } from '../../daemonset/leader.ts';
import { NodeConditionWriter } from '../../daemonset/node-condition.ts';
import { keepAllNodes } from '../../daemonset/node-keeper.ts';
import { nodeView } from '../../daemonset/node-object.ts';
import { restoreNode } from '../../daemonset/restore-node.ts';
import { CONTROLLER_LEASE } from '../../daemonset/start-controller.ts';
import { testRepositoryStore } from '../contracts/repository-store.ts';
import { apiServerBinaries, startApiServer } from '../support/api-server.ts';
import { builtHelm } from '../support/helm-template.ts';
import { renderNodeAgent } from './node-agent-chart.ts';
import { BOOT_1, nodeObject } from './node-world.ts';

const helm = builtHelm();
const binaries = await apiServerBinaries();
// They are built with the lab; on a machine without them these are reported as skipped.
const test = helm === undefined || binaries === undefined ? ava.skip : ava.serial;

interface RealCluster {
  readonly admin: Cluster;
  /** The cluster as a service account's pod on `node` sees it. */
  readonly as: (account: string, node: string) => Promise<Cluster>;
}

let real: RealCluster | undefined;
const world = (): RealCluster => {
  if (real === undefined) throw new Error('no cluster');
  return real;
};

let stop = async (): Promise<void> => undefined;
ava.after.always(async () => await stop());

ava.before(async (t) => {
  if (helm === undefined || binaries === undefined) return;
  t.timeout(120_000);
  const server = await startApiServer(binaries);
  stop = async () => await server.stop();
  const admin = connectCluster({ kubeconfig: server.kubeconfig });
  for (const name of ['sealift-system', 'sigstore-system'])
    await admin.apply({ ...KINDS.namespace, metadata: { name } });
  for (const object of await renderNodeAgent(helm, { rootSha256: 'a'.repeat(64) }))
    await admin.apply(inNamespace(object));
  for (const name of ['a', 'b', 'c']) {
    const node = nodeObject({ name });
    await admin.create(node);
    await admin.patch(
      { kind: KINDS.node, name },
      { type: 'merge', subresource: 'status', body: { status: statusOf(node) } },
    );
  }
  let accounts = 0;
  real = {
    admin,
    as: async (account, node) => {
      accounts += 1;
      const token = await podToken(admin, { account, node, pod: `pod-${accounts}` });
      const file = path.join(path.dirname(server.kubeconfig), `kubeconfig-${accounts}`);
      const config = JSON.parse(await readFile(server.kubeconfig, 'utf8')) as { users: unknown[] };
      await writeFile(file, JSON.stringify({ ...config, users: [{ name: 'admin', user: { token } }] }));
      return connectCluster({ kubeconfig: file });
    },
  };
  await untilPolicyHolds(real);
});

function statusOf(node: KubeObject): unknown {
  const { conditions, nodeInfo } = node.status as { conditions: object[]; nodeInfo: object };
  const time = '2026-01-01T00:00:00Z';
  const times = { lastHeartbeatTime: time, lastTransitionTime: time };
  const rest = {
    machineID: 'm',
    systemUUID: 's',
    kernelVersion: '6',
    osImage: 'o',
    kubeletVersion: 'v1.34.4',
    kubeProxyVersion: '',
    operatingSystem: 'linux',
    architecture: 'amd64',
  };
  return {
    conditions: conditions.map((each) => ({ ...times, reason: '', message: '', ...each })),
    nodeInfo: { ...rest, ...nodeInfo },
    capacity: { cpu: '2' },
    allocatable: { cpu: '2' },
  };
}

const CLUSTER_WIDE = /^(ClusterRole|ClusterRoleBinding|ValidatingAdmissionPolicy|ValidatingAdmissionPolicyBinding)$/;

function inNamespace(object: KubeObject): KubeObject {
  if (CLUSTER_WIDE.test(object.kind)) return object;
  return { ...object, metadata: { namespace: 'sealift-system', ...object.metadata } };
}

async function podToken(
  admin: Cluster,
  { account, node, pod }: { account: string; node: string; pod: string },
): Promise<string> {
  const made = await admin.create({
    ...KINDS.pod,
    metadata: { name: pod, namespace: 'sealift-system' },
    spec: { nodeName: node, serviceAccountName: account, containers: [{ name: 'c', image: 'x' }] },
  });
  const ref = { kind: KINDS.serviceAccount, namespace: 'sealift-system', name: account };
  const review = await admin.createSubresource(ref, 'token', {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: { name: account },
    spec: { audiences: [], boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: pod, uid: made.metadata.uid } },
  });
  return (review.status as { token: string }).token;
}

const synced = {
  synced: true,
  reason: 'Synced',
  bootId: BOOT_1,
  generation: { number: 1, signedAt: new Date(0) },
} as const;
const node = (name: string) => ({ kind: KINDS.node, name });

test('an agent reports on its own node', async (t) => {
  const { admin, as } = world();
  const writer = new NodeConditionWriter({ cluster: await as('node-agent', 'a'), name: 'a', clock: systemClock });
  t.true(await writer.report(synced));
  const view = nodeView(await admin.get(node('a')));
  t.like(view?.trust?.report, { synced: true, bootId: BOOT_1 });
  t.true(view?.isReady);
});

test('an agent can report on no other node', async (t) => {
  const { admin, as } = world();
  const writer = new NodeConditionWriter({ cluster: await as('node-agent', 'a'), name: 'b', clock: systemClock });
  await t.throwsAsync(writer.report(synced), { message: /its own node only/ });
  t.is(nodeView(await admin.get(node('b')))?.trust, undefined);
});

for (const [what, body] of [
  ['the boot id', { status: { nodeInfo: { bootID: '99999999-9999-4999-8999-999999999999' } } }],
  ['readiness', { status: { conditions: [{ type: 'Ready', status: 'False' }] } }],
  ['capacity', { status: { capacity: { cpu: '64' } } }],
  ['labels', { metadata: { labels: { 'node-role.kubernetes.io/control-plane': '' } } }],
] as const) {
  test(`an agent can not change ${what} of its node`, async (t) => {
    const cluster = await world().as('node-agent', 'a');
    const patch = { type: 'strategic', subresource: 'status', body } as const;
    await t.throwsAsync(cluster.patch(node('a'), patch), { message: /an agent may/ });
  });
}

test('an agent can not change taints', async (t) => {
  const cluster = await world().as('node-agent', 'a');
  await t.throwsAsync(cluster.patch(node('a'), { type: 'merge', body: { spec: { taints: [] } } }), {
    code: 'FORBIDDEN',
  });
});

test('the controller taints the node that is not synced, and only that', async (t) => {
  const { admin, as } = world();
  const cluster = await as('sealift-controller', 'a');
  await keepAllNodes({ cluster, log: silentLog });
  const ours = async (name: string) =>
    nodeView(await admin.get(node(name)))?.taints.filter(({ key }) => key === 'sealift.dev/trust-not-synced');
  t.deepEqual(await ours('a'), []);
  t.like((await ours('b'))?.[0], {
    key: 'sealift.dev/trust-not-synced',
    effect: 'NoSchedule',
  });
});

test('the controller is elected with the rights that its chart gives', async (t) => {
  const { admin, as } = world();
  const cluster = await as('sealift-controller', 'b');
  const abort = new AbortController();
  await leadWhenElected(
    {
      cluster,
      namespace: 'sealift-system',
      lease: CONTROLLER_LEASE,
      identity: 'x',
      clock: systemClock,
      log: silentLog,
    },
    async () => abort.abort(),
    abort.signal,
  );
  const lease = await admin.get({ kind: KINDS.lease, namespace: 'sealift-system', name: CONTROLLER_LEASE });
  t.like(lease?.spec, { holderIdentity: '', leaseTransitions: 0 });
});

test('the controller reads the online keys, and no other Secret', async (t) => {
  const cluster = await world().as('sealift-controller', 'a');
  const secret = (name: string) => ({ kind: KINDS.secret, namespace: 'sigstore-system', name });
  t.is(await cluster.get(secret('tuf-online-keys')), undefined);
  await t.throwsAsync(cluster.get(secret('rekor-signer')), { code: 'FORBIDDEN' });
});

test("the condition is taken away from a node that is put back, with the agent's rights", async (t) => {
  const { admin, as } = world();
  await restoreNode({ cluster: await as('node-agent', 'a'), name: 'a' });
  const view = nodeView(await admin.get(node('a')));
  t.is(view?.trust, undefined);
  t.true(view?.isReady);
});

if (helm !== undefined && binaries !== undefined) {
  let repositories = 0;
  testRepositoryStore(ava, 'in a real cluster', async () => {
    repositories += 1;
    const cluster = world().admin;
    return {
      store: new ConfigMapRepositoryStore(cluster, { namespace: 'sigstore-system', repository: `r${repositories}` }),
    };
  });
}

/** An admission policy holds a moment after it was made: an agent tries to report on another's node until it may not. */
async function untilPolicyHolds({ as }: RealCluster): Promise<void> {
  const cluster = await as('node-agent', 'a');
  for (let tries = 0; tries < 100; tries += 1) {
    const message = `boot=${BOOT_1}; ${tries}`;
    const body = {
      status: { conditions: [{ type: 'TrustSynced', status: 'False', reason: 'NoGeneration', message }] },
    };
    try {
      await cluster.patch(node('c'), { type: 'strategic', subresource: 'status', body });
    } catch (error) {
      if (/its own node only/.test(describeError(error))) return;
      throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
