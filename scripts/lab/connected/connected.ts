import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { debianFiles } from '../../images/debian-files.ts';
import { ensureImages } from '../../images/ensure-images.ts';
import { MARIADB_PACKAGES } from '../../images/mariadb-image.ts';
import { ensureBinaries } from '../build-binaries.ts';
import { killCgroup } from '../cgroups.ts';
import { daemonPid, placeCgroup } from '../daemon.ts';
import { LabError } from '../lab-error.ts';
import { describeConnectedSide } from '../lab-state.ts';
import { enterArgv, type LabLayout, labLayout } from '../layout.ts';
import { lineProgress, type Progress } from '../steps.ts';
import { bringUpConnected, CONNECTED_BINARIES, CONNECTED_DAEMONS } from './bring-up-connected.ts';
import { type ConnectedFacts, loadConnectedFacts } from './connected-facts.ts';
import { upstreamPaths } from './upstream.ts';

/**
 * Builds and fetches all that the connected side is made of. Needs this machine's own network, which
 * {@link connectedUp}'s servers don't have.
 */
export async function prepareConnected(say: (line: string) => void): Promise<void> {
  await ensureBinaries(CONNECTED_BINARIES, { say });
  await ensureImages(undefined);
  await debianFiles(MARIADB_PACKAGES);
}

/**
 * Brings up the connected side of a lab whose network and cgroup are there, in a process of its own inside its network
 * namespace; what ran there before is ended and forgotten. Always from nothing: it takes some ten seconds.
 * @throws LabError `STEP_FAILED`.
 */
export async function connectedUp(layout: LabLayout, { say }: Progress): Promise<ConnectedFacts> {
  await prepareConnected(say);
  await connectedDown(layout);
  const argv = [...enterArgv(layout, 'connected'), process.execPath, import.meta.filename, layout.name];
  const [command = '', ...words] = argv;
  let tail: string[] = [];
  const code = await new Promise<number | null>((resolve, reject) => {
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        const lines = text.split('\n').filter((line) => line.trim() !== '');
        for (const line of lines) say(`connected side: ${line.replace(/^\[ *[\d.]+ s\] /, '')}`);
        tail = [...tail, ...lines].slice(-8);
      });
    }
    child.on('error', reject).on('close', resolve);
  });
  if (code !== 0) {
    throw new LabError('STEP_FAILED', `the connected side didn't come up:\n${tail.join('\n')}`, {
      fix: `see ${layout.logDir}/connected-*.log`,
    });
  }
  return await loadConnectedFacts(layout);
}

/** Ends everything on a lab's connected side and forgets what it held. A lab's own take-down does so too. */
export async function connectedDown(layout: LabLayout): Promise<void> {
  await killCgroup(placeCgroup(layout, 'connected'));
  await rm(upstreamPaths(layout).dir, { recursive: true, force: true });
}

/** The servers of the connected side that don't run, by name; none when all is well. */
export async function connectedMissing(layout: LabLayout): Promise<string[]> {
  const pids = await Promise.all(CONNECTED_DAEMONS.map(async (name) => await daemonPid(layout, name, 'connected')));
  return CONNECTED_DAEMONS.filter((_, index) => pids[index] === undefined);
}

/** As {@link connectedUp}, for a lab that is up: its facts go into `lab.json`. */
export async function startConnected(name: string, progress: Progress = lineProgress()): Promise<ConnectedFacts> {
  const facts = await connectedUp(labLayout(name), progress);
  await describeConnectedSide(name, { ...facts });
  return facts;
}

if (import.meta.main) {
  const [name = 'lab'] = process.argv.slice(2);
  try {
    await bringUpConnected(labLayout(name), lineProgress());
  } catch (error) {
    for (let current: unknown = error; current instanceof Error; current = current.cause) {
      console.error(current instanceof LabError ? `${current.message}\n${current.fix ?? ''}` : current.stack);
    }
    process.exitCode = 1;
  }
}
