import test, { type ExecutionContext } from 'ava';

import { silentLog } from '../../../appliance/kernel/log.ts';
import { MemoryCluster } from '../../../appliance/kube/cluster-memory.ts';
import { KINDS, type KubeObject } from '../../../appliance/kube/kube-object.ts';
import { matchingPolicies } from '../../../appliance/verification/match-policy.ts';
import { TRUST_ROOT_KIND } from '../../../appliance/webhook/cluster-documents.ts';
import { PolicySource } from '../../../appliance/webhook/policy-source.ts';
import { generateKey, publicKeyDer } from '../../../trust-root/keys.ts';

function policy(name: string, spec: unknown = passing('**')): KubeObject {
  return { ...KINDS.clusterImagePolicy, metadata: { name }, spec };
}

function passing(glob: string): unknown {
  return { images: [{ glob }], authorities: [{ static: { action: 'pass' } }] };
}

function modes(data: Record<string, string>): KubeObject {
  return { ...KINDS.configMap, metadata: { name: 'sealift-modes', namespace: 'sealift-system' }, data };
}

/** A source that follows `cluster`; `until` waits for a state that a change brings about. */
function follow(t: ExecutionContext, cluster: MemoryCluster) {
  const abort = new AbortController();
  const waiting = new Set<() => void>();
  const source = new PolicySource({
    cluster,
    log: silentLog,
    pause: async () => await new Promise((resolve) => setImmediate(resolve)),
    onChange: () => {
      for (const wake of waiting) wake();
    },
  });
  const following = source.follow(abort.signal);
  t.teardown(async () => {
    abort.abort();
    await following;
  });
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        waiting.add(resolve);
      });
    }
  };
  return { source, until, names: () => source.policies().map(({ name }) => name) };
}

test('policies and modes are read before it is synced, then followed', async (t) => {
  const cluster = new MemoryCluster();
  await cluster.create(policy('b'));
  await cluster.create(policy('a'));
  await cluster.create(modes({ _default: 'warn' }));
  const { source, until, names } = follow(t, cluster);
  t.false(source.isSynced());
  await until(() => source.isSynced());
  t.deepEqual(names(), ['a', 'b']);
  t.is(source.modes().modeOf('shop'), 'warn');
  await cluster.create(policy('c'));
  await until(() => names().length === 3);
  await cluster.delete({ kind: KINDS.clusterImagePolicy, name: 'a' });
  await until(() => names().length === 2);
  await cluster.apply(modes({ _default: 'warn', shop: 'enforce' }));
  await until(() => source.modes().modeOf('shop') === 'enforce');
  t.deepEqual(source.faults(), []);
});

test('a cluster without the ConfigMap is enforced everywhere, and it is told', async (t) => {
  const { source, until } = follow(t, new MemoryCluster());
  await until(() => source.isSynced());
  t.is(source.modes().modeOf('shop'), 'enforce');
  t.regex(source.faults().join(), /sealift-modes is missing/);
});

test('an invalid policy refuses the images that it names, and only these', async (t) => {
  const cluster = new MemoryCluster();
  await cluster.create(modes({}));
  await cluster.create(policy('broken', { images: [{ glob: 'example.com/**' }], authorities: [{ keyles: {} }] }));
  const { source, until } = follow(t, cluster);
  await until(() => source.isSynced());
  const matching = (image: string) => matchingPolicies(source.policies(), image);
  t.is(matching('example.com/a').length, 1);
  t.like(matching('example.com/a')[0]?.authorities[0], { kind: 'static' });
  t.is(matching('other.com/a').length, 0);
  t.is(source.faults().length, 1);
});

for (const spec of [undefined, {}, { images: 'x' }, { images: [] }, { images: [{ glob: 'é' }] }]) {
  test(`an invalid policy whose globs can't be read (${JSON.stringify(spec)}) refuses every image`, async (t) => {
    const cluster = new MemoryCluster();
    await cluster.create(modes({}));
    await cluster.create(policy('broken', spec));
    const { source, until } = follow(t, cluster);
    await until(() => source.isSynced());
    t.is(matchingPolicies(source.policies(), 'any.example/a').length, 1);
  });
}

test('a TrustRoot with keys is a trust domain, one that names a repository is not, an invalid one is told', async (t) => {
  const key = publicKeyDer(generateKey('p256')).toString('base64');
  const log = { baseURL: 'https://rekor.example', hashAlgorithm: 'sha-256', publicKey: pemOf(key) };
  const cluster = new MemoryCluster();
  const trustRoot = async (name: string, spec: unknown) =>
    await cluster.create({ ...TRUST_ROOT_KIND, metadata: { name }, spec });
  await cluster.create(modes({}));
  await trustRoot('keys', { sigstoreKeys: { tLogs: [log] } });
  await trustRoot('remote', { remote: { root: 'e30=', mirror: 'https://tuf.example' } });
  await trustRoot('broken', { sigstoreKeys: { tLogs: [{ ...log, publicKey: 'e30=' }] } });
  const { source, until } = follow(t, cluster);
  await until(() => source.isSynced());
  t.deepEqual(
    source.trustRoots().map(({ name }) => name),
    ['keys'],
  );
  t.is(source.faults().length, 1);
  t.regex(source.faults()[0] ?? '', /TrustRoot broken/);
});

function pemOf(base64: string): string {
  return Buffer.from(`-----BEGIN PUBLIC KEY-----\n${base64}\n-----END PUBLIC KEY-----\n`).toString('base64');
}
