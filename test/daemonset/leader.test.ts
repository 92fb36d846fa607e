import test from 'ava';

import { clockAt } from '../../appliance/kernel/clock.ts';
import { silentLog } from '../../appliance/kernel/log.ts';
import { MemoryCluster } from '../../appliance/kube/cluster-memory.ts';
import { KubeError } from '../../appliance/kube/kube-error.ts';
import { KINDS, type KubeObject } from '../../appliance/kube/kube-object.ts';
import { leadWhenElected } from '../../daemonset/leader.ts';

const LEASE = { kind: KINDS.lease, namespace: 'sealift-system', name: 'sealift-controller' };

/** Processes that share a cluster and a clock which moves two seconds each time all of them wait. */
function world(cluster = new MemoryCluster()) {
  const clock = clockAt('2026-01-01T00:00:00Z');
  const leaders = new Set<string>();
  const most = { at: 0 };
  const start = (identity: string) => {
    const abort = new AbortController();
    const wait = async (ms: number): Promise<void> => {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(ms / 2);
    };
    const done = leadWhenElected(
      { cluster, namespace: LEASE.namespace, lease: LEASE.name, identity, clock, log: silentLog, wait },
      async (signal) => {
        leaders.add(identity);
        most.at = Math.max(most.at, leaders.size);
        await new Promise<void>((resolve) => {
          if (signal.aborted) resolve();
          else signal.addEventListener('abort', () => resolve());
        });
        leaders.delete(identity);
      },
      abort.signal,
    );
    return { abort, done };
  };
  return { cluster, clock, leaders, most, start };
}

async function until(fact: () => boolean): Promise<void> {
  while (!fact()) await new Promise((resolve) => setImmediate(resolve));
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

test('of two, one leads; when it ends, the other takes over', async (t) => {
  const { leaders, most, start } = world();
  const a = start('a');
  await until(() => leaders.has('a'));
  const b = start('b');
  await turns(50);
  t.deepEqual([...leaders], ['a']);
  a.abort.abort();
  await a.done;
  await until(() => leaders.has('b'));
  t.is(most.at, 1);
  b.abort.abort();
  await b.done;
});

test('the lease of a leader that is gone without a word is taken after its duration', async (t) => {
  const { cluster, leaders, start } = world();
  const spec = { holderIdentity: 'gone', leaseDurationSeconds: 15, leaseTransitions: 4 };
  await cluster.create({ ...KINDS.lease, metadata: LEASE, spec });
  const b = start('b');
  await turns(5);
  t.is(leaders.size, 0);
  await until(() => leaders.has('b'));
  t.like((await cluster.get(LEASE))?.spec, { holderIdentity: 'b', leaseTransitions: 5 });
  b.abort.abort();
  await b.done;
});

test('a leader that can no longer renew stops before its lease runs out', async (t) => {
  class Cut extends MemoryCluster {
    isCut = false;
    override async get(...args: Parameters<MemoryCluster['get']>): Promise<KubeObject | undefined> {
      if (this.isCut) throw new KubeError('UNREACHABLE', 'no route');
      return await super.get(...args);
    }
  }
  const cluster = new Cut();
  const { leaders, start, clock } = world(cluster);
  const a = start('a');
  await until(() => leaders.has('a'));
  const cutAt = clock.now().getTime();
  cluster.isCut = true;
  await until(() => !leaders.has('a'));
  t.true(clock.now().getTime() - cutAt < 15_000);
  a.abort.abort();
  await a.done;
});

test('a leader whose lease another has taken stops at once', async (t) => {
  const { cluster, leaders, start } = world();
  const a = start('a');
  await until(() => leaders.has('a'));
  await cluster.patch(LEASE, { type: 'merge', body: { spec: { holderIdentity: 'usurper' } } });
  await until(() => !leaders.has('a'));
  t.like((await cluster.get(LEASE))?.spec, { holderIdentity: 'usurper' });
  a.abort.abort();
  await a.done;
});

test('what the leader throws comes out', async (t) => {
  const { cluster, clock } = world();
  const election = {
    cluster,
    namespace: 'x',
    lease: 'y',
    identity: 'a',
    clock,
    log: silentLog,
    wait: async () => undefined,
  };
  const failing = leadWhenElected(
    election,
    async () => await Promise.reject(new Error('forbidden')),
    new AbortController().signal,
  );
  await t.throwsAsync(failing, { message: 'forbidden' });
});
