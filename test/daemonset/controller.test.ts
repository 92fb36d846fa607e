import test, { type ExecutionContext } from 'ava';

import { clockAt } from '../../appliance/kernel/clock.ts';
import { silentLog } from '../../appliance/kernel/log.ts';
import { MemoryCluster } from '../../appliance/kube/cluster-memory.ts';
import { KubeError } from '../../appliance/kube/kube-error.ts';
import { KINDS } from '../../appliance/kube/kube-object.ts';
import { type ControllerParts, runController } from '../../daemonset/controller.ts';
import { EMPTY_EVIDENCE_INDEX } from '../../mirror/evidence-index.ts';
import { nodeObject } from './node-world.ts';

const NAMESPACE = 'sealift-system';
const REQUEST = { namespace: NAMESPACE, name: 'sealift-scan-request' };

/** A controller whose pauses never end by themselves, and what it did. */
function world(t: ExecutionContext, cluster = new MemoryCluster()) {
  const done = { scans: 0, published: 0 };
  const abort = new AbortController();
  const never = async (_ms: number, signal: AbortSignal): Promise<void> =>
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
  const parts: ControllerParts = {
    cluster,
    election: {
      cluster,
      namespace: NAMESPACE,
      lease: 'sealift-controller',
      identity: 'me',
      clock: clockAt('2026-01-01T00:00:00Z'),
      log: silentLog,
      wait: never,
    },
    siteState: {
      scan: {
        scan: async () => {
          done.scans += 1;
          if (done.scans === 2) throw new Error('the registry is away');
          return EMPTY_EVIDENCE_INDEX;
        },
      },
      publisher: {
        publish: async () => {
          done.published += 1;
          return undefined;
        },
      },
    },
    scanRequest: REQUEST,
    log: silentLog,
    wait: never,
  };
  const ended = runController(parts, abort.signal);
  t.teardown(async () => {
    abort.abort();
    await ended.catch(() => undefined);
  });
  return { cluster, done, ended };
}

async function until(fact: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await fact())) await new Promise((resolve) => setImmediate(resolve));
}

async function ask(cluster: MemoryCluster, at: string): Promise<void> {
  await cluster.apply({ ...KINDS.configMap, metadata: REQUEST, data: { at } });
}

test('a leader publishes the state at once, and again whenever it is asked; a scan that fails ends nothing', async (t) => {
  const { cluster, done } = world(t);
  await until(() => done.published === 1);
  await ask(cluster, '1');
  await until(() => done.scans === 2);
  await ask(cluster, '2');
  await until(() => done.published === 2);
  t.is(done.scans, 3);
});

test('a leader keeps the taints', async (t) => {
  const { cluster } = world(t);
  await cluster.create(nodeObject());
  await until(async () => JSON.stringify(await cluster.list(KINDS.node)).includes('sealift.dev/trust-not-synced'));
  t.pass();
});

test('a controller that may not watch nodes ends with the reason', async (t) => {
  class Forbidding extends MemoryCluster {
    override async watch(...args: Parameters<MemoryCluster['watch']>): Promise<void> {
      if (args[0].kind === 'Node') throw new KubeError('FORBIDDEN', 'nodes may not be watched');
      await super.watch(...args);
    }
  }
  const { ended } = world(t, new Forbidding());
  await t.throwsAsync(ended, { code: 'FORBIDDEN' });
});
