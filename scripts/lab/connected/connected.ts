import { spawn } from 'node:child_process';
import { debianFiles } from '../../images/debian-files.ts';
import { ensureImages } from '../../images/ensure-images.ts';
import { MARIADB_PACKAGES } from '../../images/mariadb-image.ts';
import { ensureBinaries } from '../build-binaries.ts';
import { LabError } from '../lab-error.ts';
import { describeConnectedSide } from '../lab-state.ts';
import { enterArgv, type LabLayout, labLayout } from '../layout.ts';
import { lineProgress, type Progress } from '../steps.ts';
import { bringUpConnected, CONNECTED_BINARIES } from './bring-up-connected.ts';
import { type ConnectedFacts, loadConnectedFacts } from './connected-facts.ts';

/**
 * Brings up the connected side of a lab whose network is there, in a process of its own inside its network namespace.
 * What ran or lay there before must be gone (a lab's take-down does that, processes, folder and all).
 * @throws LabError `STEP_FAILED`.
 */
export async function connectedUp(layout: LabLayout, { say }: Progress): Promise<ConnectedFacts> {
  // What has to be fetched is fetched here: inside, there is no network.
  await ensureBinaries(CONNECTED_BINARIES, { say });
  await ensureImages(undefined);
  await debianFiles(MARIADB_PACKAGES);
  const argv = [...enterArgv(layout, 'connected'), process.execPath, import.meta.filename, layout.name];
  const [command = '', ...words] = argv;
  let tail: string[] = [];
  const code = await new Promise<number | null>((resolve, reject) => {
    const child = spawn(command, words, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        const lines = text.split('\n').filter((line) => line.trim() !== '');
        for (const line of lines) say(`connected side: ${line}`);
        tail = [...tail, ...lines].slice(-8);
      });
    }
    child.on('error', reject).on('close', resolve);
  });
  if (code !== 0) {
    throw new LabError('STEP_FAILED', `the connected side didn't come up:\n${tail.join('\n')}`, {
      fix: `see ${layout.logDir}`,
    });
  }
  return await loadConnectedFacts(layout);
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
