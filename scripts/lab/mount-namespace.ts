import { appendFile, mkdir, readdir, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { cacheFolder } from './cache.ts';
import { hasMountNamespace, type LabLayout, labsFolder, mountNamespaceFile, PLACES, type Place } from './layout.ts';
import { run } from './program.ts';

/** A folder or file of the lab, shown at a standard path inside a place. */
export interface Bind {
  readonly from: string;
  readonly to: string;
}

const NETNS_FOLDER = '/run/netns';

/** The mount points in `mountinfo` (the text of /proc/self/mountinfo) at or below `folder`, deepest first. */
export function mountPointsBelow(mountinfo: string, folder: string): string[] {
  return mountinfo
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal: string) =>
        String.fromCharCode(parseInt(octal, 8)),
      ),
    )
    .filter((point) => point === folder || point.startsWith(`${folder}/`))
    .reverse();
}

/**
 * Makes the mount namespace of `place` and shows `binds` in it. Its mounts are shared among its own processes (as
 * kubelet needs for volumes) and with nobody else.
 */
export async function makeMountNamespace(layout: LabLayout, place: Place, binds: readonly Bind[]): Promise<void> {
  const file = mountNamespaceFile(layout, place);
  if (file === undefined) return;
  await makeNamespaceFolder(layout);
  await writeFile(file, '');
  for (const { to } of binds) await makeMountPoint(to);
  await run(['unshare', `--mount=${file}`, '--propagation', 'private', 'true']);
  // What other labs had mounted was copied, and would be kept from going away with them.
  const forget = [labsFolder(), NETNS_FOLDER].flatMap((folder) => ['-e', ` ${folder}`]);
  const script = [
    `grep -F ${forget.map((word) => JSON.stringify(word)).join(' ')} /proc/self/mountinfo | cut -d' ' -f5 | tac |`,
    '  while read -r point; do umount -l "$point" || true; done',
    'while [ $# -gt 0 ]; do mount --bind "$1" "$2"; shift 2; done',
    'mount --make-rshared /',
  ].join('\n');
  const words = binds.flatMap(({ from, to }) => [from, to]);
  await run(['nsenter', `--mount=${file}`, '--', 'sh', '-ec', script, 'sh', ...words]);
}

/** A namespace's file can only lie on a mount that isn't propagated to others. */
async function makeNamespaceFolder({ namespaceDir }: LabLayout): Promise<void> {
  await mkdir(namespaceDir, { recursive: true });
  const mounted = mountPointsBelow(await readFile('/proc/self/mountinfo', 'utf8'), namespaceDir);
  if (mounted.includes(namespaceDir)) return;
  await run(['mount', '--bind', namespaceDir, namespaceDir]);
  await run(['mount', '--make-private', namespaceDir]);
}

/** Lets go of the mount namespace of `place`; its mounts go with its last process. */
export async function dropMountNamespace(layout: LabLayout, place: Place): Promise<void> {
  const file = mountNamespaceFile(layout, place);
  if (file === undefined) return;
  const mounted = mountPointsBelow(await readFile('/proc/self/mountinfo', 'utf8'), file);
  for (const point of mounted) await run(['umount', '-l', point]);
  await rm(file, { force: true });
}

/** Unmounts all that this machine still has mounted below the lab's folder. */
export async function dropMounts(layout: LabLayout): Promise<void> {
  for (const place of PLACES.filter(hasMountNamespace)) await dropMountNamespace(layout, place);
  const mounted = mountPointsBelow(await readFile('/proc/self/mountinfo', 'utf8'), layout.dir);
  for (const point of mounted) await run(['umount', '-l', point]);
}

function mountPointList(): string {
  return path.join(cacheFolder(), 'mount-points');
}

/** Makes the folder to mount on, and notes each folder that had to be made, since no lab may leave one behind. */
async function makeMountPoint(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found !== undefined) return;
  await makeMountPoint(path.dirname(folder));
  await appendFile(mountPointList(), `${folder}\n`);
  await mkdir(folder, { recursive: true });
}

/** Removes what labs share to mount on: the folders that they made, and `ip netns`'s own mount. For when no lab is left. */
export async function removeMountPoints(): Promise<void> {
  const names = await readdir(NETNS_FOLDER).catch(() => undefined);
  if (names?.length === 0) {
    // `ip netns add` mounts it over itself, and would again.
    await run(['umount', NETNS_FOLDER], { allow: 'any' });
    await rmdir(NETNS_FOLDER).catch(() => undefined);
  }
  const text = await readFile(mountPointList(), 'utf8').catch(() => '');
  const made = new Set(text.split('\n').filter((line) => line !== ''));
  for (const folder of [...made].sort().reverse()) {
    // Somebody else put something there meanwhile: it is theirs now.
    await rmdir(folder).catch(() => undefined);
  }
  await rm(mountPointList(), { force: true });
}
