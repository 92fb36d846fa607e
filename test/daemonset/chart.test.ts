import ava from 'ava';

import type { KubeObject } from '../../appliance/kube/kube-object.ts';
import { TRUST_TAINT } from '../../daemonset/node-taint.ts';
import { CONTROLLER_LEASE, SCAN_REQUEST } from '../../daemonset/start-controller.ts';
import { builtHelm } from '../support/helm-template.ts';
import { renderNodeAgent } from './node-agent-chart.ts';

const helm = builtHelm() ?? '';
// Helm is built with the lab; on a machine without one these are reported as skipped.
const test = helm === '' ? ava.skip : ava;
const ROOT = { rootSha256: 'a'.repeat(64) };

type Json = Readonly<Record<string, unknown>>;

const named = (objects: readonly KubeObject[], kind: string, name: string): KubeObject | undefined =>
  objects.find((one) => one.kind === kind && one.metadata.name === name);

function podOf(object: KubeObject | undefined) {
  const { template } = object?.spec as { template: { spec: Json } };
  const [container] = template.spec['containers'] as Json[];
  return { spec: template.spec, container: container ?? {}, args: (container?.['args'] ?? []) as string[] };
}

test('it makes no Secret and no Job', async (t) => {
  for (const { kind } of await renderNodeAgent(helm, ROOT)) t.notRegex(kind, /^(Secret|Job|CronJob)$/);
});

test('the root must be named', async (t) => {
  await t.throwsAsync(renderNodeAgent(helm, {}), { message: /rootSha256/ });
});

for (const [what, values] of [
  ['an unknown value', { replicas: 3 }],
  ['a root that is no hash', { rootSha256: 'abc' }],
  ['a registry without TLS', { registry: { url: 'http://registry' } }],
  ['a relative folder', { stateDir: 'var/lib' }],
] as const) {
  test(`${what} is refused by the schema`, async (t) => {
    await t.throwsAsync(renderNodeAgent(helm, { ...ROOT, ...values }), { message: /schema/ });
  });
}

test('agents run on every node whatever its taints, with no capability and only the folders that they write', async (t) => {
  const { spec, container } = podOf(named(await renderNodeAgent(helm, ROOT), 'DaemonSet', 'node-agent'));
  t.deepEqual(spec['tolerations'], [{ operator: 'Exists' }]);
  t.is(spec['hostNetwork'], undefined);
  t.is(container['command'], undefined);
  t.deepEqual(container['securityContext'], {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  const hostPaths = (spec['volumes'] as { name: string; hostPath?: { path: string } }[])
    .filter(({ hostPath }) => hostPath !== undefined)
    .map(({ hostPath }) => hostPath?.path);
  t.deepEqual(hostPaths, ['/var/lib/sealift', '/etc/containerd/certs.d', '/proc/sys/kernel/random/boot_id']);
});

test("the registry's address is the value, or what kubelet tells of the Service", async (t) => {
  const address = async (values: Json) =>
    podOf(named(await renderNodeAgent(helm, { ...ROOT, ...values }), 'DaemonSet', 'node-agent')).args.find((arg) =>
      arg.startsWith('--registry-address'),
    );
  t.is(await address({ registry: { address: '10.96.0.20' } }), '--registry-address=10.96.0.20');
  t.is(await address({}), '--registry-address=$(REGISTRY_SERVICE_HOST)');
  t.is(await address({ writeHosts: false }), undefined);
});

test('a root given as a ConfigMap is mounted and named', async (t) => {
  const objects = await renderNodeAgent(helm, { ...ROOT, rootConfigMap: 'site-root' });
  const { spec, args } = podOf(named(objects, 'DaemonSet', 'node-agent'));
  t.true(args.includes('--root-file=/root-v1/root.json'));
  t.true((spec['volumes'] as Json[]).some((volume) => 'configMap' in volume && volume['name'] === 'root-v1'));
});

test('the controller can start on tainted nodes, without rights beyond its pod', async (t) => {
  const objects = await renderNodeAgent(helm, ROOT);
  const { spec } = podOf(named(objects, 'Deployment', 'sealift-controller'));
  t.true((spec['tolerations'] as { key?: string }[]).some(({ key }) => key === TRUST_TAINT.key));
  t.like(spec['securityContext'], { runAsNonRoot: true });
  const names = JSON.stringify(named(objects, 'Role', 'sealift-controller'));
  t.true(names.includes(CONTROLLER_LEASE));
  t.true(names.includes(SCAN_REQUEST));
});

test('when nodes are put back there is no controller', async (t) => {
  const objects = await renderNodeAgent(helm, { ...ROOT, restore: true });
  t.is(named(objects, 'Deployment', 'sealift-controller'), undefined);
  t.true(podOf(named(objects, 'DaemonSet', 'node-agent')).args.includes('--restore'));
});
