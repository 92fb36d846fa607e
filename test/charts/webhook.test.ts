import { readFile } from 'node:fs/promises';

import ava from 'ava';
import { load } from 'js-yaml';

import type { KubeObject } from '../../appliance/kube/kube-object.ts';
import { POLICY_KEYS_NAMESPACE } from '../../appliance/verification/secret-keys.ts';
import { builtHelm } from '../support/helm-template.ts';
import { POLICY_CRD, renderWebhook } from './webhook-chart.ts';

const helm = builtHelm() ?? '';
// Helm is built with the lab; on a machine without one these are reported as skipped.
const test = helm === '' ? ava.skip : ava;
const ROOT = { rootSha256: 'a'.repeat(64) };
const REGISTERED = { ...ROOT, register: true, caBundle: 'QQ==' };
const DIGEST = `sha256:${'b'.repeat(64)}`;

type Json = Readonly<Record<string, unknown>>;

const kinds = (objects: readonly KubeObject[]): string[] => objects.map(({ kind }) => kind);
const ofKind = (objects: readonly KubeObject[], kind: string): KubeObject[] =>
  objects.filter((one) => one.kind === kind);

function podSpec(objects: readonly KubeObject[]) {
  const spec = ofKind(objects, 'Deployment')[0]?.spec as { template: { spec: Json } };
  const containers = spec.template.spec['containers'] as Json[];
  return { spec: spec.template.spec, container: containers[0] ?? {} };
}

function webhooks(objects: readonly KubeObject[]): Json[] {
  return objects
    .filter(({ kind }) => kind.endsWith('WebhookConfiguration'))
    .flatMap((one) => one['webhooks'] as Json[]);
}

test('by default nothing stands in the way of the API server', async (t) => {
  const objects = await renderWebhook(helm, ROOT);
  t.deepEqual(
    kinds(objects).filter((kind) => /Webhook|ValidatingAdmission/.test(kind)),
    [],
  );
});

test('it makes no Secret and no Job', async (t) => {
  for (const kind of kinds(await renderWebhook(helm, REGISTERED))) t.notRegex(kind, /^(Secret|Job)$/);
});

test('the root must be named', async (t) => {
  await t.throwsAsync(renderWebhook(helm, {}), { message: /rootSha256/ });
});

test('a registration without a CA is refused', async (t) => {
  await t.throwsAsync(renderWebhook(helm, { ...ROOT, register: true }), { message: /caBundle/ });
});

for (const [what, values] of [
  ['an unknown value', { replica: 3 }],
  ['a root that is no hash', { rootSha256: 'abc' }],
  ['a registry without TLS', { registry: { url: 'http://registry' } }],
  ['a digest that is none', { inventory: { digests: ['latest'] } }],
  ['no namespace left out', { exemptNamespaces: [] }],
] as const) {
  test(`${what} is refused by the schema`, async (t) => {
    await t.throwsAsync(renderWebhook(helm, { ...ROOT, ...values }), { message: /schema/ });
  });
}

test('the pod runs without rights, with the state of its node read-only', async (t) => {
  const { spec, container } = podSpec(await renderWebhook(helm, ROOT));
  t.like(spec['securityContext'], { runAsNonRoot: true, runAsUser: 65532 });
  t.deepEqual(container['securityContext'], {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
  t.is(container['command'], undefined);
  const mounts = container['volumeMounts'] as Json[];
  t.true(mounts.every(({ readOnly }) => readOnly === true));
  t.deepEqual(
    (spec['volumes'] as Json[]).filter((volume) => 'hostPath' in volume),
    [{ name: 'state', hostPath: { path: '/var/lib/sealift', type: 'Directory' } }],
  );
});

test('three replicas, of which one at a time may go', async (t) => {
  const objects = await renderWebhook(helm, ROOT);
  t.like(ofKind(objects, 'Deployment')[0]?.spec, { replicas: 3 });
  t.like(ofKind(objects, 'PodDisruptionBudget')[0]?.spec, { maxUnavailable: 1 });
});

test('it may read policies, the ConfigMap of the modes, Secrets of one namespace, and nothing else', async (t) => {
  const objects = await renderWebhook(helm, ROOT);
  const rules = (kind: string) =>
    ofKind(objects, kind).map((one) => ({ namespace: one.metadata.namespace, rules: one['rules'] }));
  const verbs = ['get', 'list', 'watch'];
  const policies = { apiGroups: ['policy.sigstore.dev'], resources: ['clusterimagepolicies', 'trustroots'], verbs };
  t.deepEqual(rules('ClusterRole'), [{ namespace: undefined, rules: [policies] }]);
  t.deepEqual(rules('Role'), [
    { namespace: POLICY_KEYS_NAMESPACE, rules: [{ apiGroups: [''], resources: ['secrets'], verbs }] },
    {
      namespace: undefined,
      rules: [{ apiGroups: [''], resources: ['configmaps'], resourceNames: ['sealift-modes'], verbs }],
    },
  ]);
});

test('each Role is bound to the ServiceAccount alone, where the Role is', async (t) => {
  const objects = await renderWebhook(helm, ROOT);
  const bindings = ofKind(objects, 'RoleBinding');
  const place = (one: KubeObject): string => `${one.metadata.namespace ?? ''}/${one.metadata.name}`;
  t.deepEqual(bindings.map(place), ofKind(objects, 'Role').map(place));
  for (const { subjects, roleRef, metadata } of bindings) {
    t.deepEqual(subjects, [{ kind: 'ServiceAccount', name: 'webhook', namespace: 'sealift-system' }]);
    t.like(roleRef, { kind: 'Role', name: metadata.name });
  }
});

test("the namespace of the policies' keys comes with the chart and outlives it", async (t) => {
  const [namespace, ...others] = ofKind(await renderWebhook(helm, ROOT), 'Namespace');
  t.is(namespace?.metadata.name, POLICY_KEYS_NAMESPACE);
  t.is(namespace?.metadata.annotations?.['helm.sh/resource-policy'], 'keep');
  t.deepEqual(others, []);
});

test('every webhook fails closed, has no side effects and is waited for ten seconds', async (t) => {
  const found = webhooks(await renderWebhook(helm, REGISTERED));
  t.is(found.length, 3);
  for (const one of found) t.like(one, { failurePolicy: 'Fail', sideEffects: 'None', timeoutSeconds: 10 });
});

test('workloads of the exempt namespaces are left out by the label that the API server sets', async (t) => {
  const found = webhooks(await renderWebhook(helm, REGISTERED)).filter((one) => 'namespaceSelector' in one);
  t.is(found.length, 2);
  for (const one of found) {
    t.deepEqual(one['namespaceSelector'], {
      matchExpressions: [
        {
          key: 'kubernetes.io/metadata.name',
          operator: 'NotIn',
          values: ['sealift-system', 'sigstore-system', 'kube-system'],
        },
      ],
    });
  }
});

test('scale and status are not hooked', async (t) => {
  const resources = webhooks(await renderWebhook(helm, REGISTERED)).flatMap((one) =>
    (one['rules'] as Json[]).flatMap((rule) => rule['resources'] as string[]),
  );
  t.deepEqual(
    [...new Set(resources)].filter((name) => name.includes('/')),
    ['pods/ephemeralcontainers'],
  );
});

test('a digest of the image wins', async (t) => {
  const image = { repository: 'r.example/sealift', tag: '1', digest: DIGEST };
  t.is(podSpec(await renderWebhook(helm, { ...ROOT, image })).container['image'], `r.example/sealift:1@${DIGEST}`);
});

test('the inventory guards its namespaces once it lists a digest', async (t) => {
  const objects = await renderWebhook(helm, { ...ROOT, inventory: { digests: [DIGEST] } });
  t.deepEqual(
    ofKind(objects, 'ValidatingAdmissionPolicy').map(({ metadata }) => metadata.name),
    ['sealift-inventory'],
  );
  t.like(ofKind(objects, 'ValidatingAdmissionPolicyBinding')[0]?.spec, { validationActions: ['Deny'] });
});

ava('both versions of ClusterImagePolicy have the same schema, the newer is stored', async (t) => {
  const crd = load(await readFile(POLICY_CRD, 'utf8')) as KubeObject;
  const { versions } = crd.spec as { versions: { name: string; storage: boolean; schema: unknown }[] };
  t.deepEqual(
    versions.map(({ name, storage }) => [name, storage]),
    [
      ['v1beta1', true],
      ['v1alpha1', false],
    ],
  );
  t.deepEqual(versions[0]?.schema, versions[1]?.schema);
});
