import test, { type ExecutionContext } from 'ava';

import { silentLog } from '../../../appliance/kernel/log.ts';
import { MemoryCluster } from '../../../appliance/kube/cluster-memory.ts';
import { KubeError } from '../../../appliance/kube/kube-error.ts';
import { KINDS, type KubeObject } from '../../../appliance/kube/kube-object.ts';
import { POLICY_KEYS_NAMESPACE } from '../../../appliance/verification/secret-keys.ts';
import { PolicyKeys } from '../../../appliance/webhook/policy-keys.ts';
import { generateKey, publicKeyPem } from '../../../trust-root/keys.ts';

const PEM = publicKeyPem(generateKey('p256'));
const OTHER_PEM = publicKeyPem(generateKey('ed25519'));

function secret(name: string, entries: Record<string, string>, namespace: string = POLICY_KEYS_NAMESPACE): KubeObject {
  const data = Object.fromEntries(
    Object.entries(entries).map(([key, text]) => [key, Buffer.from(text).toString('base64')]),
  );
  return { ...KINDS.secret, metadata: { name, namespace }, data };
}

/** Keys that follow `cluster`; `until` waits for a state that a change brings about. */
function follow(t: ExecutionContext, cluster: MemoryCluster) {
  const abort = new AbortController();
  const waiting = new Set<() => void>();
  const keys = new PolicyKeys({
    cluster,
    log: silentLog,
    pause: async () => await new Promise((resolve) => setImmediate(resolve)),
    onChange: () => {
      for (const wake of waiting) wake();
    },
  });
  const following = keys.follow(abort.signal);
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
  return { keys, until };
}

/** What `lookup` says of the Secret `release` when the namespace holds `entries` under that name. */
async function found(t: ExecutionContext, entries: Record<string, string>, namespace?: string) {
  const cluster = new MemoryCluster();
  await cluster.create(secret('release', entries));
  const { keys, until } = follow(t, cluster);
  await until(() => keys.isSettled());
  return keys.lookup()({ name: 'release', namespace });
}

test('a Secret with one entry, whatever its name, is a key', async (t) => {
  t.deepEqual(await found(t, { anything: PEM }), { kind: 'key', pem: PEM });
});

test('the namespace may be written out', async (t) => {
  t.deepEqual(await found(t, { key: PEM }, POLICY_KEYS_NAMESPACE), { kind: 'key', pem: PEM });
});

test('another namespace in the policy is refused rather than passed over', async (t) => {
  const key = await found(t, { key: PEM }, 'cosign-system');
  t.like(key, { kind: 'none' });
  t.regex(JSON.stringify(key), /cosign-system\/release is not read: keys of policies lie in sealift-policy-keys/);
});

for (const [what, entries, why] of [
  ['no entry', {}, /has 0 entries/],
  ['two entries', { one: PEM, two: OTHER_PEM }, /has 2 entries/],
  ["cosign's own key pair", { 'cosign.key': 'x', 'cosign.password': 'x', 'cosign.pub': PEM }, /has 3 entries/],
  ['a private key', { key: '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n' }, /no PEM public key/],
  ['no PEM', { key: 'ssh-ed25519 AAAA' }, /no PEM public key/],
  ['more than a key', { key: PEM + ' '.repeat(64 * 1024) }, /larger than/],
] as const) {
  test(`a Secret with ${what} gives no key, and it is said why`, async (t) => {
    const key = await found(t, entries);
    t.is(key.kind, 'none');
    t.regex(JSON.stringify(key), why);
  });
}

test('Secrets of other namespaces are not looked at', async (t) => {
  const cluster = new MemoryCluster();
  await cluster.create(secret('release', { key: PEM }, 'sealift-system'));
  const { keys, until } = follow(t, cluster);
  await until(() => keys.isSettled());
  t.like(keys.lookup()({ name: 'release', namespace: undefined }), {
    kind: 'none',
    why: 'there is no Secret sealift-policy-keys/release',
  });
});

test('keys are followed, and a lookup stays what it was', async (t) => {
  const cluster = new MemoryCluster();
  await cluster.create(secret('release', { key: PEM }));
  const { keys, until } = follow(t, cluster);
  const pem = () => {
    const key = keys.lookup()({ name: 'release', namespace: undefined });
    return key.kind === 'key' ? key.pem : undefined;
  };
  await until(() => pem() === PEM);
  const before = keys.lookup();
  await cluster.apply(secret('release', { key: OTHER_PEM }));
  await until(() => pem() === OTHER_PEM);
  await cluster.delete({ kind: KINDS.secret, name: 'release', namespace: POLICY_KEYS_NAMESPACE });
  await until(() => pem() === undefined);
  t.deepEqual(before({ name: 'release', namespace: undefined }), { kind: 'key', pem: PEM });
});

test('without the right to read them it is settled, told, and every key is refused with that reason', async (t) => {
  class Forbidding extends MemoryCluster {
    allowed = false;
    override async watch(...args: Parameters<MemoryCluster['watch']>): Promise<void> {
      if (!this.allowed) throw new KubeError('FORBIDDEN', 'secrets is forbidden');
      await super.watch(...args);
    }
  }
  const cluster = new Forbidding();
  const { keys, until } = follow(t, cluster);
  t.false(keys.isSettled());
  await until(() => keys.isSettled());
  t.regex(keys.faults().join(), /can't be read: .*forbidden/);
  t.regex(JSON.stringify(keys.lookup()({ name: 'release', namespace: undefined })), /forbidden/);
  cluster.allowed = true;
  await until(() => keys.faults().length === 0);
  t.pass();
});
