import { randomBytes } from 'node:crypto';

import type { TestFn } from 'ava';

import type { Cluster, WatchEvent } from '../../appliance/kube/cluster.ts';
import { KubeError, type KubeErrorCode } from '../../appliance/kube/kube-error.ts';
import { KINDS, type KubeObject, type ObjectRef, refOf } from '../../appliance/kube/kube-object.ts';
import { waitReady } from '../../appliance/kube/wait-ready.ts';

const NAMESPACE = 'default';

function configMap(data: Record<string, string>, name = `contract-${randomBytes(5).toString('hex')}`): KubeObject {
  return { ...KINDS.configMap, metadata: { name, namespace: NAMESPACE }, data };
}

function refTo(name: string): ObjectRef {
  return { kind: KINDS.configMap, namespace: NAMESPACE, name };
}

/** What every {@link Cluster} does, whoever made it. `open` gives one that is shared by all the tests. */
export function clusterContract(test: TestFn, name: string, open: () => Promise<Cluster>): void {
  const coded = (code: KubeErrorCode) => ({ instanceOf: KubeError, code });

  test(`${name}: an object that is not there is undefined`, async (t) => {
    t.is(await (await open()).get(refTo('nobody')), undefined);
  });

  test(`${name}: a created object is there with a uid and a version`, async (t) => {
    const cluster = await open();
    const created = await cluster.create(configMap({ a: '1' }));
    t.truthy(created.metadata.uid);
    t.truthy(created.metadata.resourceVersion);
    t.deepEqual((await cluster.get(refOf(created)))?.data, { a: '1' });
  });

  test(`${name}: creating it twice is refused`, async (t) => {
    const cluster = await open();
    const created = await cluster.create(configMap({}));
    await t.throwsAsync(cluster.create(configMap({}, created.metadata.name)), coded('ALREADY_EXISTS'));
  });

  test(`${name}: a dry run creates nothing`, async (t) => {
    const cluster = await open();
    const object = configMap({ a: '1' });
    t.like(await cluster.create(object, { dryRun: true }), { data: { a: '1' } });
    t.is(await cluster.get(refOf(object)), undefined);
  });

  test(`${name}: apply makes what is not there`, async (t) => {
    const cluster = await open();
    const applied = await cluster.apply(configMap({ a: '1' }));
    t.deepEqual((await cluster.get(refOf(applied)))?.data, { a: '1' });
  });

  test(`${name}: applying the same again writes nothing`, async (t) => {
    const cluster = await open();
    const wanted = configMap({ a: '1' });
    const first = await cluster.apply(wanted);
    t.is((await cluster.apply(wanted)).metadata.resourceVersion, first.metadata.resourceVersion);
  });

  test(`${name}: a field that an apply leaves out goes away`, async (t) => {
    const cluster = await open();
    const wanted = configMap({ a: '1', b: '2' });
    await cluster.apply(wanted);
    t.deepEqual((await cluster.apply({ ...wanted, data: { a: '1' } })).data, { a: '1' });
  });

  test(`${name}: apply leaves another manager's fields alone`, async (t) => {
    const cluster = await open();
    const wanted = configMap({ a: '1' });
    await cluster.apply(wanted);
    await cluster.apply({ ...wanted, data: { other: 'x' } }, 'somebody-else');
    t.deepEqual((await cluster.apply({ ...wanted, data: { a: '2' } })).data, { a: '2', other: 'x' });
  });

  test(`${name}: replace with an old version is a conflict`, async (t) => {
    const cluster = await open();
    const old = await cluster.create(configMap({ a: '1' }));
    await cluster.patch(refOf(old), { type: 'merge', body: { data: { a: '2' } } });
    await t.throwsAsync(cluster.replace({ ...old, data: { a: '3' } }), coded('CONFLICT'));
  });

  test(`${name}: replace with the current version replaces`, async (t) => {
    const cluster = await open();
    const current = await cluster.create(configMap({ a: '1' }));
    t.deepEqual((await cluster.replace({ ...current, data: { b: '2' } })).data, { b: '2' });
  });

  test(`${name}: a merge patch removes what is null`, async (t) => {
    const cluster = await open();
    const created = await cluster.create(configMap({ a: '1', b: '2' }));
    const patched = await cluster.patch(refOf(created), { type: 'merge', body: { data: { a: null, c: '3' } } });
    t.deepEqual(patched.data, { b: '2', c: '3' });
  });

  test(`${name}: a patch that names an old version is a conflict`, async (t) => {
    const cluster = await open();
    const old = await cluster.create(configMap({ a: '1' }));
    await cluster.patch(refOf(old), { type: 'merge', body: { data: { a: '2' } } });
    const body = { metadata: { resourceVersion: old.metadata.resourceVersion }, data: { a: '3' } };
    await t.throwsAsync(cluster.patch(refOf(old), { type: 'merge', body }), coded('CONFLICT'));
  });

  test(`${name}: a JSON patch whose test fails changes nothing`, async (t) => {
    const cluster = await open();
    const created = await cluster.create(configMap({ a: '1' }));
    const operations = [
      { op: 'test', path: '/data/a', value: 'other' },
      { op: 'replace', path: '/data/a', value: '2' },
    ] as const;
    await t.throwsAsync(cluster.patch(refOf(created), { type: 'json', operations }), coded('INVALID'));
    t.deepEqual((await cluster.get(refOf(created)))?.data, { a: '1' });
  });

  test(`${name}: a strategic patch of a condition leaves the others`, async (t) => {
    const cluster = await open();
    const node = `contract-${randomBytes(5).toString('hex')}`;
    const created = await cluster.create({ ...KINDS.node, metadata: { name: node } });
    const patchOf = (type: string, status: string) =>
      ({ type: 'strategic', subresource: 'status', body: { status: { conditions: [{ type, status }] } } }) as const;
    await cluster.patch(refOf(created), patchOf('Ready', 'True'));
    await cluster.patch(refOf(created), patchOf('TrustSynced', 'False'));
    const patched = await cluster.patch(refOf(created), patchOf('TrustSynced', 'True'));
    const { conditions } = patched.status as { conditions: { type: string; status: string }[] };
    const found = conditions.map(({ type, status }) => `${type}=${status}`).sort();
    t.deepEqual(found, ['Ready=True', 'TrustSynced=True']);
  });

  test(`${name}: a patch of what is not there says so`, async (t) => {
    const cluster = await open();
    await t.throwsAsync(cluster.patch(refTo('nobody'), { type: 'merge', body: {} }), coded('NOT_FOUND'));
  });

  test(`${name}: delete tells whether it was there`, async (t) => {
    const cluster = await open();
    const created = await cluster.create(configMap({}));
    t.true(await cluster.delete(refOf(created)));
    t.false(await cluster.delete(refOf(created)));
  });

  test(`${name}: delete of another uid is a conflict`, async (t) => {
    const cluster = await open();
    const created = await cluster.create(configMap({}));
    const uid = '00000000-0000-4000-8000-000000000000';
    await t.throwsAsync(cluster.delete(refOf(created), { uid }), coded('CONFLICT'));
  });

  test(`${name}: list selects by label`, async (t) => {
    const cluster = await open();
    const label = `l${randomBytes(5).toString('hex')}`;
    const labelled = (value: string): KubeObject => {
      const object = configMap({});
      return { ...object, metadata: { ...object.metadata, labels: { [label]: value } } };
    };
    const wanted = await cluster.create(labelled('yes'));
    await cluster.create(labelled('no'));
    const names = async (labelSelector: string): Promise<string[]> =>
      (await cluster.list(KINDS.configMap, { namespace: NAMESPACE, labelSelector })).map((o) => o.metadata.name);
    t.deepEqual(await names(`${label}=yes`), [wanted.metadata.name]);
    t.deepEqual(await names(`${label} in (yes),${label}!=no`), [wanted.metadata.name]);
    t.is((await names(label)).length, 2);
  });

  test(`${name}: listed objects know their kind`, async (t) => {
    const cluster = await open();
    const created = await cluster.create(configMap({}));
    const fieldSelector = `metadata.name=${created.metadata.name}`;
    const [listed] = await cluster.list(KINDS.configMap, { namespace: NAMESPACE, fieldSelector });
    t.like(listed, { kind: 'ConfigMap', apiVersion: 'v1' });
  });

  test(`${name}: a watch tells what is there, then that it is synced, then each change`, async (t) => {
    const cluster = await open();
    const before = await cluster.create(configMap({ a: '1' }));
    const fieldSelector = `metadata.name=${before.metadata.name}`;
    const stop = new AbortController();
    const seen: string[] = [];
    const onEvent = async (event: WatchEvent): Promise<void> => {
      seen.push(event.type);
      if (event.type === 'synced') await cluster.patch(refOf(before), { type: 'merge', body: { data: { a: '2' } } });
      if (event.type === 'modified') await cluster.delete(refOf(before));
      if (event.type === 'deleted') stop.abort();
    };
    await cluster.watch(KINDS.configMap, { namespace: NAMESPACE, fieldSelector, onEvent, signal: stop.signal });
    t.deepEqual(seen, ['added', 'synced', 'modified', 'deleted']);
  });

  test(`${name}: what the handler of a watch throws ends it`, async (t) => {
    const cluster = await open();
    const onEvent = (): never => {
      throw new RangeError('enough');
    };
    const watched = cluster.watch(KINDS.configMap, {
      namespace: NAMESPACE,
      onEvent,
      signal: AbortSignal.timeout(20_000),
    });
    await t.throwsAsync(watched, { instanceOf: RangeError });
  });

  test(`${name}: waiting ends as soon as the judge is content`, async (t) => {
    const cluster = await open();
    const wanted = configMap({ a: '1' });
    const waited = waitReady(cluster, refOf(wanted), {
      timeoutMs: 20_000,
      judge: (object) => ({ state: object?.data?.['a'] === '2' ? 'ready' : 'waiting', message: 'a is not 2' }),
    });
    await cluster.apply(wanted);
    await cluster.apply({ ...wanted, data: { a: '2' } });
    t.deepEqual((await waited)?.data, { a: '2' });
  });

  test(`${name}: waiting too long tells what was missing`, async (t) => {
    const cluster = await open();
    const waited = waitReady(cluster, refTo('nobody'), { timeoutMs: 200 });
    await t.throwsAsync(waited, { instanceOf: KubeError, code: 'TIMEOUT', message: /not there yet/ });
  });

  test(`${name}: a path of the API server that is not there says so`, async (t) => {
    await t.throwsAsync((await open()).raw('/nothing/here'), coded('NOT_FOUND'));
  });

  test(`${name}: the server states its version`, async (t) => {
    const version = await (await open()).serverVersion();
    t.is(version.major, 1);
    t.true(version.minor >= 30);
  });

  test(`${name}: a service account's token can be asked for`, async (t) => {
    const cluster = await open();
    const name = `contract-${randomBytes(5).toString('hex')}`;
    const account = await cluster.create({ ...KINDS.serviceAccount, metadata: { name, namespace: NAMESPACE } });
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: { name },
      spec: { audiences: ['sigstore'], expirationSeconds: 600 },
    };
    const { status } = await cluster.createSubresource(refOf(account), 'token', body);
    t.is(typeof (status as { token?: unknown }).token, 'string');
  });
}
