import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';

import ava, { type ExecutionContext } from 'ava';
import { load, loadAll } from 'js-yaml';

import { silentLog } from '../../../appliance/kernel/log.ts';
import type { Cluster } from '../../../appliance/kube/cluster.ts';
import { connectCluster } from '../../../appliance/kube/connect.ts';
import { KINDS, type KubeObject, refOf } from '../../../appliance/kube/kube-object.ts';
import { POLICY_KEYS_NAMESPACE } from '../../../appliance/verification/secret-keys.ts';
import { documentFault, TRUST_ROOT_KIND } from '../../../appliance/webhook/cluster-documents.ts';
import { PolicyKeys } from '../../../appliance/webhook/policy-keys.ts';
import { PolicySource } from '../../../appliance/webhook/policy-source.ts';
import { POLICY_CRD, renderWebhook, TRUST_ROOT_CRD } from '../../charts/webhook-chart.ts';
import { apiServerBinaries, startApiServer } from '../../support/api-server.ts';
import { builtHelm } from '../../support/helm-template.ts';
import { groupKind, podSpec, WORKLOAD_KINDS, workload } from './support/reviews.ts';
import { keyPolicy, SITE_KEY_PEM, site } from './support/site.ts';
import { testDigest } from './support/worlds.ts';

const binaries = await apiServerBinaries();
const helm = builtHelm();
// Both are built with the lab; on a machine without them these are reported as skipped.
const test = binaries === undefined || helm === undefined ? ava.skip : ava.serial;
const EXEMPT = ['sealift-system', 'sigstore-system', 'kube-system'];
const INVENTORY = testDigest('sealift');

const VECTORS = path.resolve(import.meta.dirname, '../../../../shared/vectors/policy-controller');

/** ClusterImagePolicies and TrustRoots of upstream's test data, by file. */
function upstreamPolicies(folder: string): [string, KubeObject][] {
  return readdirSync(path.join(VECTORS, folder)).flatMap((file) =>
    (loadAll(readFileSync(path.join(VECTORS, folder, file), 'utf8')) as (KubeObject | null)[])
      .filter((document) => document?.kind === KINDS.clusterImagePolicy.kind || document?.kind === TRUST_ROOT_KIND.kind)
      .map((document): [string, KubeObject] => [file, document as KubeObject]),
  );
}

type Site = Awaited<ReturnType<typeof site>>;
interface World {
  readonly cluster: Cluster;
  readonly world: Site;
  readonly digests: Readonly<Record<'good' | 'bad', string>>;
  readonly kubeconfig: string;
  /** The chart as it is rendered. */
  readonly objects: readonly KubeObject[];
}
const teardowns: (() => Promise<unknown>)[] = [];
let shared: World | undefined;

const here = (): World => {
  if (shared === undefined) throw new Error('the API server did not start');
  return shared;
};

/** Objects of the chart, the webhook's address replaced by `port` on loopback: there is no service network here. */
function registered(objects: readonly KubeObject[], port: number): KubeObject[] {
  return objects
    .filter(({ kind }) => /WebhookConfiguration|ValidatingAdmissionPolicy/.test(kind))
    .map((object) => {
      const text = JSON.stringify(object, (key, value: unknown) => {
        if (key !== 'clientConfig') return value;
        const { caBundle, service } = value as { caBundle: string; service: { path: string } };
        return { caBundle, url: `https://127.0.0.1:${port}${service.path}` };
      });
      return JSON.parse(text) as KubeObject;
    });
}

async function namespace(cluster: Cluster, name: string): Promise<void> {
  await cluster.apply({ ...KINDS.namespace, metadata: { name } });
}

ava.before(async (t) => {
  t.timeout(120_000);
  if (binaries === undefined || helm === undefined) return;
  const server = await startApiServer(binaries);
  teardowns.push(async () => await server.stop());
  const cluster = connectCluster({ kubeconfig: server.kubeconfig });
  for (const name of [...EXEMPT, 'shop', 'lab']) await namespace(cluster, name);
  for (const crd of [POLICY_CRD, TRUST_ROOT_CRD]) {
    await cluster.apply(load(await readFile(crd, 'utf8')) as KubeObject);
  }
  const world = await site({ teardown: (fn) => teardowns.push(async () => await fn()) }, cluster);
  const digests = {
    good: await world.pushed('ghcr.io/team/good', true),
    bad: await world.pushed('ghcr.io/team/bad', false),
  };
  await world.sync('ghcr.io/team/good:v1', 'ghcr.io/team/bad:v1');
  const running = await world.start();
  while (!running.readiness().ready) await new Promise((resolve) => setImmediate(resolve));
  const objects = await renderWebhook(helm, {
    rootSha256: 'a'.repeat(64),
    register: true,
    caBundle: Buffer.from(running.ca).toString('base64'),
    inventory: { digests: [INVENTORY], kubeSystemImages: ['registry.k8s.io/pause:3.10'] },
  });
  for (const object of registered(objects, running.port)) await cluster.create(object);
  shared = { cluster, world, digests, kubeconfig: server.kubeconfig, objects };
  // Registrations and guards reach the API server's admission by watches of its own.
  for (const name of ['shop', ...EXEMPT]) {
    while (await isTaken(cluster, object('Pod', podSpec('ghcr.io/team/bad:v1'), name))) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
});

ava.after.always(async () => {
  for (const teardown of teardowns.toReversed()) await teardown();
});

async function isTaken(cluster: Cluster, made: KubeObject): Promise<boolean> {
  const created = await cluster.create(made).catch(() => undefined);
  if (created !== undefined) await cluster.delete(refOf(created));
  return created !== undefined;
}

let count = 0;

function object(kind: string, spec: Record<string, unknown>, inNamespace: string): KubeObject {
  count += 1;
  const { group } = groupKind(kind);
  const labels = { app: 'x' };
  const podSpecOf = { ...spec, ...(kind === 'Job' || kind === 'CronJob' ? { restartPolicy: 'Never' } : {}) };
  const made = workload(kind, podSpecOf, { name: `w${count}`, namespace: inNamespace }) as unknown as KubeObject;
  const template = { metadata: { labels }, spec: podSpecOf };
  const version = { apiVersion: group === '' ? 'v1' : `${group}/v1`, kind };
  switch (kind) {
    case 'Pod':
      return { ...made, ...version };
    case 'PodTemplate':
      return { ...made, ...version, template };
    case 'Job':
      return { ...made, ...version, spec: { template: { spec: podSpecOf } } };
    case 'CronJob':
      return {
        ...made,
        ...version,
        spec: { schedule: '0 0 * * *', jobTemplate: { spec: { template: { spec: podSpecOf } } } },
      };
    case 'ReplicationController':
      return { ...made, ...version, spec: { selector: labels, template } };
    default:
      return {
        ...made,
        ...version,
        spec: { selector: { matchLabels: labels }, template, ...(kind === 'StatefulSet' ? { serviceName: 'x' } : {}) },
      };
  }
}

async function refusal(t: ExecutionContext, made: KubeObject): Promise<string> {
  return (await t.throwsAsync(here().cluster.create(made))).message;
}

for (const kind of WORKLOAD_KINDS) {
  test(`${kind}: a signed image is admitted, an unsigned one refused with its reason`, async (t) => {
    const { cluster } = here();
    await t.notThrowsAsync(cluster.create(object(kind, podSpec('ghcr.io/team/good:v1'), 'shop')));
    const why = await refusal(t, object(kind, podSpec('ghcr.io/team/bad:v1'), 'shop'));
    t.regex(why, /verify\.images\.sealift\.dev/);
    t.regex(why, /NO_SIGNATURE/);
  });
}

test('a Pod is pinned to the digest, a Deployment keeps what its author wrote', async (t) => {
  const { cluster, digests } = here();
  const imageOf = (spec: unknown): string => (spec as { containers: { image: string }[] }).containers[0]?.image ?? '';
  const pod = await cluster.create(object('Pod', podSpec('ghcr.io/team/good:v1'), 'shop'));
  t.is(imageOf(pod.spec), `ghcr.io/team/good:v1@${digests.good}`);
  const deployment = await cluster.create(object('Deployment', podSpec('ghcr.io/team/good:v1'), 'shop'));
  t.is(imageOf((deployment.spec as { template: { spec: unknown } }).template.spec), 'ghcr.io/team/good:v1');
});

test('an ephemeral container is pinned and judged', async (t) => {
  const { cluster } = here();
  const pod = await cluster.create(object('Pod', podSpec('ghcr.io/team/good:v1'), 'shop'));
  const ref = { kind: KINDS.pod, name: pod.metadata.name, namespace: 'shop' };
  const debug = async (image: string) =>
    await cluster.patch(ref, {
      type: 'strategic',
      subresource: 'ephemeralcontainers',
      body: { spec: { ephemeralContainers: [{ name: `d${image.length}`, image }] } },
    });
  t.regex(await t.throwsAsync(debug('ghcr.io/team/bad:v1')).then(({ message }) => message), /NO_SIGNATURE/);
  t.regex(JSON.stringify((await debug('ghcr.io/team/good:v1')).spec), /"image":"ghcr\.io\/team\/good:v1@sha256/);
});

test('a namespace in warn mode lets the unsigned image in', async (t) => {
  await t.notThrowsAsync(here().cluster.create(object('Pod', podSpec('ghcr.io/team/bad:v1'), 'lab')));
});

test('an image that no policy names, and a registry that nobody knows, are refused', async (t) => {
  t.regex(await refusal(t, object('Pod', podSpec('quay.io/x/y:1'), 'shop')), /DIGEST_UNRESOLVED/);
  const pinned = `quay.io/x/y@${here().digests.good}`;
  t.regex(await refusal(t, object('Pod', podSpec(pinned), 'shop')), /NO_MATCHING_POLICY/);
});

test('labels and finalizers of what runs unverified can be changed, its image cannot', async (t) => {
  const { cluster } = here();
  const pod = await cluster.create(object('Deployment', podSpec('ghcr.io/team/bad:v1'), 'lab'));
  const ref = { kind: KINDS.deployment, name: pod.metadata.name, namespace: 'lab' };
  const modes = { kind: KINDS.configMap, name: 'sealift-modes', namespace: 'sealift-system' };
  const mode = async (lab: string) => await cluster.patch(modes, { type: 'merge', body: { data: { lab } } });
  await mode('enforce');
  try {
    const image = async (text: string) =>
      await cluster.patch(ref, {
        type: 'json',
        operations: [{ op: 'replace', path: '/spec/template/spec/containers/0/image', value: text }],
      });
    // The change of mode reaches the webhook by its watch.
    let n = 0;
    const changed = async (): Promise<boolean> =>
      await image(`ghcr.io/team/bad:v1@${testDigest(String((n += 1)))}`).then(
        () => true,
        () => false,
      );
    while (await changed()) await new Promise((resolve) => setImmediate(resolve));
    const labels = {
      type: 'merge',
      body: { metadata: { labels: { a: 'b' }, finalizers: ['sealift.dev/x'] } },
    } as const;
    await t.notThrowsAsync(cluster.patch(ref, labels));
    await t.notThrowsAsync(cluster.patch(ref, { type: 'merge', body: { spec: { replicas: 3 } } }));
    await cluster.delete(ref);
    await t.notThrowsAsync(cluster.patch(ref, { type: 'merge', body: { metadata: { finalizers: [] } } }));
  } finally {
    await mode('warn');
  }
});

for (const name of EXEMPT.slice(0, 2)) {
  test(`${name}: only the inventory's digests may run, judged without the webhook`, async (t) => {
    await t.notThrowsAsync(here().cluster.create(object('Pod', podSpec(`any.example/sealift:1@${INVENTORY}`), name)));
    for (const image of ['ghcr.io/team/good:v1', `ghcr.io/team/good@${here().digests.good}`, `x@${INVENTORY}x`]) {
      t.regex(await refusal(t, object('Pod', podSpec(image), name)), /not in the inventory|nvalid/);
    }
    const init = podSpec(`any.example/sealift:1@${INVENTORY}`, { initContainers: [{ name: 'i', image: 'evil:1' }] });
    t.regex(await refusal(t, object('Pod', init, name)), /not in the inventory.*evil:1/);
  });
}

test('kube-system: only what was recorded at install may run', async (t) => {
  await t.notThrowsAsync(here().cluster.create(object('Pod', podSpec('registry.k8s.io/pause:3.10'), 'kube-system')));
  t.regex(
    await refusal(t, object('Pod', podSpec('registry.k8s.io/pause:3.11'), 'kube-system')),
    /not in the inventory/,
  );
});

test('a policy written to the cluster is followed; an invalid one is refused, also for a misspelt field', async (t) => {
  const { cluster, digests } = here();
  await cluster.create(keyPolicy('quay', 'quay.io/**'));
  const pod = (): KubeObject => object('Pod', podSpec(`quay.io/team/good@${digests.good}`), 'shop');
  // The signature is of the digest; the policy's key is the same.
  while ((await cluster.create(pod()).catch(() => undefined)) === undefined) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  const base = keyPolicy('broken', 'quay.io/**');
  for (const spec of [
    { ...base.spec, authorities: [{ keyless: { identites: [] } }] },
    { ...base.spec, images: [] },
    { ...base.spec, authorities: [] },
  ]) {
    t.regex(await refusal(t, { ...base, spec }), /not a valid ClusterImagePolicy/);
  }
  await cluster.delete({ kind: KINDS.clusterImagePolicy, name: 'quay' });
});

for (const folder of ['valid', 'invalid', 'empty-authorities', 'trustroot/valid', 'trustroot/e2e']) {
  const documents = existsSync(path.join(VECTORS, folder)) ? upstreamPolicies(folder) : [];
  (documents.length === 0 ? ava.skip : test)(
    `upstream's documents in ${folder}/: the API server takes exactly those that the verifier follows`,
    async (t) => {
      const { cluster } = here();
      for (const [file, document] of documents) {
        const followed = documentFault(document) === undefined;
        const taken = await cluster.create({ ...document, metadata: { name: document.metadata.name } }).then(
          async (created) => await cluster.delete(refOf(created)),
          () => false,
        );
        t.is(taken, followed, file);
      }
    },
  );
}

/** The API server as the chart's ServiceAccount sees it. */
async function asWebhook(t: ExecutionContext): Promise<Cluster> {
  const { cluster, kubeconfig, objects } = here();
  for (const object of objects.filter(({ kind }) => /^(Namespace|ServiceAccount|.*Role|.*RoleBinding)$/.test(kind))) {
    const namespace = object.kind === 'Namespace' ? {} : { namespace: object.metadata.namespace ?? 'sealift-system' };
    const isCluster = object.kind.startsWith('Cluster');
    await cluster.apply({ ...object, metadata: { ...object.metadata, ...(isCluster ? {} : namespace) } });
  }
  const account = { kind: KINDS.serviceAccount, name: 'webhook', namespace: 'sealift-system' };
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', metadata: { name: '' }, spec: {} };
  const { token } = (await cluster.createSubresource(account, 'token', request)).status as { token: string };
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-account-'));
  t.teardown(async () => await rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'kubeconfig');
  const text = await readFile(kubeconfig, 'utf8');
  await writeFile(file, text.replaceAll('nobody-token', token), { mode: 0o600 });
  return connectCluster({ kubeconfig: file, context: 'nobody' });
}

test("with the rights that the chart gives it reads policies, modes and policies' keys, and nothing that Sealift runs on", async (t) => {
  const account = await asWebhook(t);
  const data = { 'cosign.pub': Buffer.from(SITE_KEY_PEM).toString('base64') };
  const secret = { ...KINDS.secret, metadata: { name: 'release', namespace: POLICY_KEYS_NAMESPACE }, data };
  await here().cluster.create(secret);
  const abort = new AbortController();
  const { promise: read, resolve } = Promise.withResolvers<string>();
  const { promise: synced, resolve: resolveSynced } = Promise.withResolvers<string>();
  const common = {
    cluster: account,
    log: silentLog,
    // Rights reach the API server's authorizer by watches of its own.
    pause: async () => await new Promise<void>((again) => setImmediate(again)),
    onChange: () => {
      const found = keys.lookup()({ name: 'release', namespace: undefined });
      if (found.kind === 'key') resolve(found.pem);
      if (policies.isSynced()) resolveSynced(policies.modes().modeOf('lab'));
    },
  };
  const keys: PolicyKeys = new PolicyKeys(common);
  const policies: PolicySource = new PolicySource(common);
  const following = Promise.all([keys.follow(abort.signal), policies.follow(abort.signal)]);
  t.is(await read, SITE_KEY_PEM);
  t.is(await synced, 'warn');
  abort.abort();
  await following;
  const may = async (verb: string, resource: string, namespace: string): Promise<boolean> =>
    await account.canI({ verb, group: '', resource, namespace });
  for (const verb of ['get', 'list', 'watch']) {
    for (const namespace of EXEMPT) t.false(await may(verb, 'secrets', namespace));
    t.false(await may(verb, 'configmaps', 'sealift-system'));
  }
  t.false(await may('update', 'secrets', POLICY_KEYS_NAMESPACE));
});

test('while the webhook is away workloads are refused, and labels still change', async (t) => {
  const { cluster } = here();
  const pod = await cluster.create(object('Pod', podSpec('ghcr.io/team/good:v1'), 'shop'));
  const kind = { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'ValidatingWebhookConfiguration' };
  const mutating = { apiVersion: 'admissionregistration.k8s.io/v1', kind: 'MutatingWebhookConfiguration' };
  const dead = createServer();
  dead.listen(0, '127.0.0.1');
  await new Promise((resolve) => dead.once('listening', resolve));
  const address = dead.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  await new Promise((resolve) => dead.close(resolve));
  for (const one of [kind, mutating]) {
    const where = '/webhooks/0/clientConfig/url';
    const operations = [{ op: 'replace' as const, path: where, value: `https://127.0.0.1:${port}/validate` }];
    await cluster.patch({ kind: one, name: 'sealift' }, { type: 'json', operations });
  }
  let why = '';
  while (!/refused|failed calling webhook/.test(why)) {
    why = await cluster.create(object('Pod', podSpec('ghcr.io/team/good:v1'), 'shop')).then(
      () => '',
      (error: unknown) => String(error),
    );
  }
  t.regex(why, /sealift\.dev/);
  const ref = { kind: KINDS.pod, name: pod.metadata.name, namespace: 'shop' };
  await t.notThrowsAsync(cluster.patch(ref, { type: 'merge', body: { metadata: { labels: { a: 'b' } } } }));
});
