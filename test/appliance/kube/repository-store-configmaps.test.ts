import { randomBytes } from 'node:crypto';

import test from 'ava';

import { MemoryCluster } from '../../../appliance/kube/cluster-memory.ts';
import { KINDS } from '../../../appliance/kube/kube-object.ts';
import { ConfigMapRepositoryStore } from '../../../appliance/kube/repository-store-configmaps.ts';
import { testRepositoryStore, timestampOf } from '../../contracts/repository-store.ts';

const NONE = { timestampVersion: undefined };
const DNS_NAME = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

function world() {
  const cluster = new MemoryCluster();
  return { cluster, store: new ConfigMapRepositoryStore(cluster, { namespace: 'sigstore-system' }) };
}

testRepositoryStore(test, 'in ConfigMaps', async () => ({ store: world().store }));

test('each ConfigMap has a name that Kubernetes takes, is immutable unless it is replaced, and bears the label', async (t) => {
  const { cluster, store } = world();
  const long = `targets/upstream/sigstore.dev/${'a'.repeat(64)}.trusted_root.json`;
  await store.publish(
    new Map([
      [long, Buffer.from('x')],
      ['1.root.json', Buffer.from('x')],
      ['root.json', Buffer.from('x')],
      ['timestamp.json', timestampOf(1)],
    ]),
    NONE,
  );
  const maps = await cluster.list(KINDS.configMap, { labelSelector: 'sealift.dev/tuf-repository=site' });
  t.is(maps.length, 4);
  for (const map of maps) {
    t.regex(map.metadata.name, DNS_NAME);
    const name = map.metadata.annotations?.['sealift.dev/tuf-name'] ?? '';
    t.is(map['immutable'], name === 'timestamp.json' || name === 'root.json' ? undefined : true);
  }
});

test('a file larger than a ConfigMap is kept in parts, and listed once', async (t) => {
  const { cluster, store } = world();
  const bytes = randomBytes(2_000_000);
  await store.publish(new Map<string, Buffer>([['targets/big', bytes]]).set('timestamp.json', timestampOf(1)), NONE);
  t.deepEqual(await store.list(), ['targets/big', 'timestamp.json']);
  t.true((await store.read('targets/big'))?.equals(bytes));
  for (const map of await cluster.list(KINDS.configMap)) {
    t.true(Buffer.from(map.binaryData?.['gz'] ?? '', 'base64').byteLength < 1_000_000);
    t.regex(map.metadata.name, DNS_NAME);
  }
});

test('a file whose part is gone is damaged, not short', async (t) => {
  const { cluster, store } = world();
  await store.publish(
    new Map<string, Buffer>([['targets/big', randomBytes(900_000)]]).set('timestamp.json', timestampOf(1)),
    NONE,
  );
  const [part] = await cluster.list(KINDS.configMap, { labelSelector: 'sealift.dev/tuf-part' });
  await cluster.delete({ kind: KINDS.configMap, namespace: 'sigstore-system', name: part?.metadata.name ?? '' });
  await t.throwsAsync(store.read('targets/big'), { code: 'STORE_FAILED' });
});

test("what a killed publisher left is in nobody's way when the bytes are the same", async (t) => {
  const { store } = world();
  await store.publish(new Map([['timestamp.json', timestampOf(1)]]), NONE);
  const files = new Map<string, Buffer>([['2.snapshot.json', Buffer.from('s')]]);
  await store.publish(files, { timestampVersion: 1 });
  await store.publish(files.set('timestamp.json', timestampOf(2)), { timestampVersion: 1 });
  t.deepEqual(await store.read('timestamp.json'), timestampOf(2));
});

test('a file that is removed leaves no part behind', async (t) => {
  const { cluster, store } = world();
  await store.publish(new Map<string, Buffer>([['targets/big', randomBytes(900_000)]]), NONE);
  await store.remove(['targets/big', 'targets/none']);
  t.deepEqual(await cluster.list(KINDS.configMap), []);
});

test('two repositories in one namespace do not see each other', async (t) => {
  const { cluster, store } = world();
  const other = new ConfigMapRepositoryStore(cluster, { namespace: 'sigstore-system', repository: 'other' });
  await store.publish(new Map([['timestamp.json', timestampOf(1)]]), NONE);
  t.deepEqual(await other.list(), []);
  t.is(await other.read('timestamp.json'), undefined);
});
