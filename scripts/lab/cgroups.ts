import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { LabError } from './lab-error.ts';
import { waitUntil } from './wait.ts';

/** The mount points in `mounts` (the text of /proc/mounts) of the given type, each once. */
export function cgroupMounts(mounts: string, types: readonly ('cgroup' | 'cgroup2')[]): string[] {
  const points = mounts
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => types.some((wanted) => wanted === type))
    .map(([, point]) => point ?? '');
  return [...new Set(points)].sort();
}

/** The v1 hierarchies of this machine, which nodes and their programs are put into. */
async function hierarchies(): Promise<string[]> {
  const found = cgroupMounts(await readFile('/proc/mounts', 'utf8'), ['cgroup']);
  if (found.length === 0) {
    throw new LabError('STEP_FAILED', 'this machine has no cgroup v1 hierarchies, which the lab puts its nodes into', {
      fix: 'run the lab on a machine with cgroup v1 or hybrid (kernel parameter systemd.unified_cgroup_hierarchy=0)',
    });
  }
  return found;
}

/** All hierarchies where a group of the lab may be: runc adds one to the v2 hierarchy of a hybrid machine. */
export async function allHierarchies(): Promise<string[]> {
  return cgroupMounts(await readFile('/proc/mounts', 'utf8'), ['cgroup', 'cgroup2']);
}

/** Makes the cgroup `group` (a path from the root, its parents too) in every hierarchy. */
export async function makeCgroup(group: string): Promise<void> {
  for (const root of await hierarchies()) {
    let current = root;
    for (const part of group.split('/')) {
      const parent = current;
      current = path.join(current, part);
      await mkdir(current, { recursive: true });
      await inheritCpuset(parent, current);
    }
  }
}

/** A new cpuset is empty, and nothing can join it until it names processors and memory. */
async function inheritCpuset(parent: string, child: string): Promise<void> {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    const value = await readFile(path.join(parent, file), 'utf8').catch(() => undefined);
    if (value !== undefined) await writeFile(path.join(child, file), value);
  }
}

/** The files that a process writes its id to so as to join `group`. */
export async function cgroupProcsFiles(group: string): Promise<string[]> {
  return (await hierarchies()).map((root) => path.join(root, group, 'cgroup.procs'));
}

/** The ids of the processes in `group` and below, in every hierarchy. */
export async function processesIn(group: string): Promise<Set<number>> {
  const found = new Set<number>();
  for (const root of await allHierarchies()) {
    for (const folder of await foldersBelow(path.join(root, group))) {
      const text = await readFile(path.join(folder, 'cgroup.procs'), 'utf8').catch(() => '');
      for (const line of text.split('\n')) if (line !== '') found.add(Number(line));
    }
  }
  return found;
}

/** `folder` and every folder below it, deepest first; nothing when it is absent. */
async function foldersBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => undefined);
  if (entries === undefined) return [];
  const folders: string[] = [];
  for (const entry of entries) {
    if (entry.isDirectory()) folders.push(...(await foldersBelow(path.join(folder, entry.name))));
  }
  return [...folders, folder];
}

/** Ends every process in `group` and below with SIGKILL, and waits until none is left. */
export async function killCgroup(group: string): Promise<void> {
  await waitUntil(`the processes in ${group} to be gone`, {
    timeoutMs: 30_000,
    everyMs: 50,
    probe: async () => {
      const left = await processesIn(group);
      for (const pid of left) kill(pid);
      return left.size === 0;
    },
  });
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It ended by itself meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Removes `group` and all below it from every hierarchy. Its processes must be gone. */
export async function removeCgroup(group: string): Promise<void> {
  for (const root of await allHierarchies()) {
    for (const folder of await foldersBelow(path.join(root, group))) {
      // The kernel lets go of a group a moment after its last process.
      await waitUntil(`the cgroup ${folder} to be removable`, {
        timeoutMs: 10_000,
        everyMs: 50,
        probe: async () =>
          await rmdir(folder).then(
            () => true,
            (error: unknown) => (error as NodeJS.ErrnoException).code === 'ENOENT',
          ),
      });
    }
  }
}
