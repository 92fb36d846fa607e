import { hostname } from 'node:os';

import test from 'ava';

import { withInstallLease } from '../../../appliance/installer/install-lease.ts';
import { InstallerError } from '../../../appliance/installer/installer-error.ts';
import { clockAt } from '../../../appliance/kernel/clock.ts';
import { MemoryCluster } from '../../../appliance/kube/cluster-memory.ts';

const NOW = '2026-11-21T08:00:00Z';
const held = { instanceOf: InstallerError, code: 'LEASE_HELD' };
const never = new Promise<never>(() => undefined);

/** Starts a run that never ends, and waits until it has the Lease. */
async function running(cluster: MemoryCluster, holder: string): Promise<void> {
  await new Promise<void>((resolve) => {
    void withInstallLease({ cluster, clock: clockAt(NOW), holder }, () => {
      resolve();
      return never;
    });
  });
}

test('a second run is refused while the first is at work', async (t) => {
  const cluster = new MemoryCluster();
  await running(cluster, 'elsewhere/1/a');
  await t.throwsAsync(
    withInstallLease({ cluster, clock: clockAt(NOW), holder: 'here/2/b' }, () => never),
    held,
  );
});

test('a run that ended leaves the Lease free', async (t) => {
  const cluster = new MemoryCluster();
  await withInstallLease({ cluster, clock: clockAt(NOW), holder: 'elsewhere/1/a' }, () => Promise.resolve());
  t.is(await withInstallLease({ cluster, clock: clockAt(NOW), holder: 'here/2/b' }, () => Promise.resolve('in')), 'in');
});

test('a run that was killed on this machine is taken over at once', async (t) => {
  const cluster = new MemoryCluster();
  await running(cluster, `${hostname()}/4194304/a`);
  const options = { cluster, clock: clockAt(NOW), holder: 'b', isAlive: () => false };
  t.is(await withInstallLease(options, () => Promise.resolve('in')), 'in');
});

test('a run that was killed elsewhere is taken over when its Lease has run out', async (t) => {
  const cluster = new MemoryCluster();
  await running(cluster, 'elsewhere/1/a');
  const late = clockAt(new Date(new Date(NOW).getTime() + 21_000));
  t.is(await withInstallLease({ cluster, clock: late, holder: 'b' }, () => Promise.resolve('in')), 'in');
});
