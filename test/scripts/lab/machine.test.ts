import test from 'ava';
import { cgroupMounts } from '../../../scripts/lab/cgroups.ts';
import { mountPointsBelow } from '../../../scripts/lab/mount-namespace.ts';

const MOUNTS = [
  'tmpfs /sys/fs/cgroup tmpfs rw 0 0',
  'cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0',
  'cgroup /sys/fs/cgroup/cpu,cpuacct cgroup rw,cpu,cpuacct 0 0',
  'cgroup /sys/fs/cgroup/pids cgroup rw,pids 0 0',
  'cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0',
].join('\n');

test('each v1 hierarchy is found once', (t) => {
  t.deepEqual(cgroupMounts(MOUNTS, ['cgroup']), ['/sys/fs/cgroup/cpu,cpuacct', '/sys/fs/cgroup/pids']);
});

test('the v2 hierarchy of a hybrid machine is among all', (t) => {
  t.true(cgroupMounts(MOUNTS, ['cgroup', 'cgroup2']).includes('/sys/fs/cgroup/unified'));
});

const line = (point: string) => `36 35 98:0 / ${point} rw,noatime shared:1 - ext4 /dev/root rw`;

test('mounts below a folder come deepest first', (t) => {
  const info = ['/', '/labs/a', '/labs/a/ns', '/labs/a/ns/node-1'].map(line).join('\n');
  t.deepEqual(mountPointsBelow(info, '/labs/a/ns'), ['/labs/a/ns/node-1', '/labs/a/ns']);
});

test('a folder whose name only begins the same isn’t below', (t) => {
  t.deepEqual(mountPointsBelow(line('/labs/ab'), '/labs/a'), []);
});

test('a mount point with a space is read as it is', (t) => {
  t.deepEqual(mountPointsBelow(line('/my\\040labs/a'), '/my labs'), ['/my labs/a']);
});
