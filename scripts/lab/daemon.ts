import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomic } from '../../appliance/kernel/atomic-file.ts';
import { cgroupProcsFiles, processesIn } from './cgroups.ts';
import { LabError } from './lab-error.ts';
import { enterArgv, type LabLayout, type Place } from './layout.ts';

/** A program that runs for as long as its lab, or its node, is up. */
export interface Daemon {
  /** Its name in the lab: of its log, and of its process id file. */
  readonly name: string;
  readonly place: Place;
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The cgroup of everything that runs at `place`, from the root of each hierarchy. */
export function placeCgroup(layout: LabLayout, place: Place): string {
  return `${layout.cgroup}/${place}`;
}

/** The log of a daemon. */
export function daemonLog(layout: LabLayout, name: string): string {
  return path.join(layout.logDir, `${name}.log`);
}

function pidFile(layout: LabLayout, name: string): string {
  return path.join(layout.dir, 'pids', name);
}

/** Moves itself into the cgroups named before `--`, then becomes the program after it. */
const JOIN_AND_EXEC = 'while [ "$1" != -- ]; do echo $$ > "$1"; shift; done; shift; exec "$@"';

/**
 * Starts a daemon, apart from this process: it stays when this process ends. It runs in its place's namespaces and
 * cgroup (made beforehand), and writes to its log.
 * @returns its process id.
 */
export async function startDaemon(layout: LabLayout, daemon: Daemon): Promise<number> {
  await mkdir(layout.logDir, { recursive: true });
  const log = openSync(daemonLog(layout, daemon.name), 'a');
  try {
    const groups = await cgroupProcsFiles(placeCgroup(layout, daemon.place));
    const words = ['-ec', JOIN_AND_EXEC, 'sh', ...groups, '--', ...enterArgv(layout, daemon.place), ...daemon.argv];
    const child = spawn('sh', words, {
      detached: true,
      cwd: '/',
      stdio: ['ignore', log, log],
      env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME: '/root', ...daemon.env },
    });
    const { pid } = child;
    if (pid === undefined) throw new LabError('PROGRAM_FAILED', `${daemon.name} can't be started`);
    child.unref();
    await writeFileAtomic(pidFile(layout, daemon.name), `${pid}\n`);
    return pid;
  } finally {
    closeSync(log);
  }
}

/** The process id of a daemon that is alive; nothing when it isn't. */
export async function daemonPid(layout: LabLayout, name: string, place: Place): Promise<number | undefined> {
  const text = await readFile(pidFile(layout, name), 'utf8').catch(() => '');
  const pid = Number(text.trim());
  // An id alone may be another process's by now; membership of our cgroup can't.
  return text !== '' && (await processesIn(placeCgroup(layout, place))).has(pid) ? pid : undefined;
}

/** Why a daemon can't be waited for any longer: that it ended, with its last words. Nothing while it runs. */
export async function daemonEnded(layout: LabLayout, name: string, place: Place): Promise<string | undefined> {
  if ((await daemonPid(layout, name, place)) !== undefined) return undefined;
  const log = await readFile(daemonLog(layout, name), 'utf8').catch(() => '');
  const tail = log.trim().split('\n').slice(-5).join('\n');
  return `${name} has ended; the last lines of ${daemonLog(layout, name)}:\n${tail}`;
}
