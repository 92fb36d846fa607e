import { restartContainerd } from '../../../scripts/lab/lab.ts';
import { NODE_NAMES } from '../../../scripts/lab/layout.ts';
import type { RunResult } from '../../../scripts/lab/program.ts';
import { waitUntil } from '../../../scripts/lab/wait.ts';
import { differences, ensureNamespace, field, resourceVersions } from './objects.ts';
import type { Proof } from './proofs.ts';
import { sealift } from './site.ts';
import { ENFORCED, releaseFingerprint } from './site-files.ts';
import type { World } from './world.ts';

/** Exit code of what is left to the operator (docs/exit-codes.md). */
const ACTION_NEEDED = 4;
/** What the issue allows. */
const INSTALL_LIMIT_MS = 8 * 60_000;
const AGAIN_LIMIT_MS = 20_000;

/** `sealift install` as the operator types it. */
export async function installWords({ lab, files }: World): Promise<string[]> {
  const trust = ['--trust-key', await releaseFingerprint(files)];
  const cluster = ['--kubeconfig', lab.kubeconfig];
  return ['install', '--bundle', files.bundle, '--config', files.appliance, ...cluster, ...trust, '--yes'];
}

/** Installs, and tells how long it took in milliseconds. */
export async function install(world: World): Promise<RunResult & { readonly ms: number }> {
  const started = Date.now();
  const result = await sealift(world.lab, await installWords(world), { timeoutMs: INSTALL_LIMIT_MS + 60_000 });
  return { ...result, ms: Date.now() - started };
}

/** Runs `sealift node prepare` on every node, restarting containerd where it says so. */
export async function prepareNodes({ lab, files }: World): Promise<void> {
  const trust = ['--trust-key', await releaseFingerprint(files)];
  for (const where of NODE_NAMES) {
    const words = ['node', 'prepare', '--bundle', files.bundle, ...trust];
    const { code } = await sealift(lab, words, { where, allow: [ACTION_NEEDED] });
    if (code === ACTION_NEEDED) await restartContainerd(lab, where);
  }
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

/** From nothing but the archive and the executable to a site. */
export const installProofs: readonly Proof[] = [
  {
    id: '2-prepare',
    title: 'each node is prepared from the archive, and a second time changes nothing',
    needs: ['0-bundle'],
    prove: async (t, world) => {
      const started = Date.now();
      await prepareNodes(world);
      world.measured.set('node prepare, both nodes', seconds(Date.now() - started));
      const trust = ['--trust-key', await releaseFingerprint(world.files)];
      for (const where of NODE_NAMES) {
        const words = ['node', 'prepare', '--bundle', world.files.bundle, ...trust];
        const { stdout } = await sealift(world.lab, words, { where });
        t.notRegex(stdout, /goes into containerd/);
      }
    },
  },
  {
    id: '2-install',
    title: 'the executable alone installs the site from the archive in at most 8 minutes',
    needs: ['2-prepare'],
    timeoutMs: INSTALL_LIMIT_MS + 120_000,
    prove: async (t, world) => {
      await ensureNamespace(world.lab, ENFORCED);
      const { ms, stdout } = await install(world);
      world.measured.set('install', seconds(ms));
      t.log(stdout.split('\n').slice(-6).join('\n'));
      t.true(ms <= INSTALL_LIMIT_MS, `took ${seconds(ms)}`);
    },
  },
  {
    id: '2-again',
    title: 'a second run changes no object and ends in under 20 s',
    needs: ['2-install'],
    prove: async (t, world) => {
      await waitUntil('the namespace of the acceptance test to be gone', {
        timeoutMs: 60_000,
        probe: async () => (await field(world.lab, ['namespace', 'sealift-acceptance'], '{.metadata.name}')) === '',
      });
      const before = await resourceVersions(world.lab);
      const { ms } = await install(world);
      world.measured.set('second install', seconds(ms));
      t.deepEqual(differences(before, await resourceVersions(world.lab)), []);
      t.true(ms < AGAIN_LIMIT_MS, `took ${seconds(ms)}`);
    },
  },
];
