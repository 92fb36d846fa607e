import { readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { allHierarchies, killCgroup, removeCgroup } from './cgroups.ts';
import { LabError } from './lab-error.ts';
import { type LabLayout, labsFolder, mountNamespaceFile, netnsFile, PLACES } from './layout.ts';
import { dropMounts, mountPointsBelow, removeMountPoints } from './mount-namespace.ts';
import { labNamespaces, removeNetwork } from './network.ts';
import { waitUntil } from './wait.ts';

/**
 * Takes down a lab, however much of it there is: its processes, also those that others started inside it, mounts,
 * namespaces with their links and rules, cgroups and folder. The built programs stay.
 * @throws LabError `STEP_FAILED` when something of it is still there afterwards.
 */
export async function takeDown(layout: LabLayout): Promise<void> {
  await killCgroup(layout.cgroup);
  await killVisitors(layout);
  await dropMounts(layout);
  await removeNetwork(layout);
  await removeCgroup(layout.cgroup);
  const mounted = mountPointsBelow(await readFile('/proc/self/mountinfo', 'utf8'), layout.dir);
  if (mounted.length > 0) throw new LabError('STEP_FAILED', `still mounted: ${mounted.join(', ')}`);
  await rm(layout.dir, { recursive: true, force: true });
  const others = await readdir(labsFolder()).catch(() => []);
  if (others.length === 0) {
    await rm(labsFolder(), { recursive: true, force: true });
    await removeMountPoints();
  }
  const left = await leftovers(layout);
  if (left.length > 0) throw new LabError('STEP_FAILED', `the lab left behind: ${left.join(', ')}`);
}

/** Ends processes that entered one of the lab's namespaces from outside, such as a test's or a person's shell. */
async function killVisitors(layout: LabLayout): Promise<void> {
  await waitUntil('the processes in its namespaces to be gone', {
    timeoutMs: 20_000,
    everyMs: 100,
    probe: async () => {
      const visitors = await processesInNamespaces(layout);
      for (const pid of visitors) {
        if (pid === process.pid) throw new LabError('STEP_FAILED', 'a lab can’t be taken down from inside');
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // It ended by itself meanwhile.
        }
      }
      return visitors.length === 0;
    },
  });
}

/** The processes that are in one of the lab's network or mount namespaces, whatever their cgroup. */
async function processesInNamespaces(layout: LabLayout): Promise<number[]> {
  const files = [
    ...labNamespaces(layout).map(netnsFile),
    ...PLACES.flatMap((place) => mountNamespaceFile(layout, place) ?? []),
  ];
  const own = await Promise.all(['net', 'mnt'].map((kind) => readlink(`/proc/self/ns/${kind}`)));
  const wanted = new Set<string>();
  for (const file of files) {
    const found = await stat(file).catch(() => undefined);
    // The inode of a namespace's file is the namespace's own number.
    if (found !== undefined) for (const kind of ['net', 'mnt']) wanted.add(`${kind}:[${found.ino}]`);
  }
  for (const link of own) wanted.delete(link);
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const inside = await Promise.all(
    pids.map(async (pid) => {
      const links = ['net', 'mnt'].map((kind) => readlink(`/proc/${pid}/ns/${kind}`).catch(() => ''));
      return (await Promise.all(links)).some((link) => wanted.has(link));
    }),
  );
  return pids.filter((_, index) => inside[index]).map(Number);
}

/** What of a lab is on this machine: namespaces, cgroups, mounts, its folder, by name. */
export async function leftovers(layout: LabLayout): Promise<string[]> {
  const paths = [
    ...labNamespaces(layout).map(netnsFile),
    ...(await allHierarchies()).map((root) => `${root}/${layout.cgroup}`),
    layout.dir,
  ];
  const found = await Promise.all(paths.map(async (file) => (await stat(file).catch(() => undefined)) !== undefined));
  const mounted = mountPointsBelow(await readFile('/proc/self/mountinfo', 'utf8'), layout.dir);
  return [...paths.filter((_, index) => found[index]), ...mounted.map((point) => `mount ${point}`)];
}
