import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

import { install, installWords } from './install-proofs.ts';
import { ensureNamespace } from './objects.ts';
import type { Proof } from './proofs.ts';
import { sealiftArgv } from './site.ts';
import { ENFORCED } from './site-files.ts';
import { keysOf } from './site-keys.ts';
import type { World } from './world.ts';

const KILLS = 8;
/** The bundle alone takes some seconds to check, before anything happens. */
const [EARLIEST_MS, LATEST_MS] = [6000, 30_000];

/** Starts an installation and kills it after `ms` milliseconds. @returns whether it had ended by itself. */
async function installAndKill(world: World, ms: number): Promise<boolean> {
  const [command = '', ...words] = await sealiftArgv(world.lab, await installWords(world));
  const child = spawn(command, words, { stdio: 'ignore' });
  const ended = new Promise<boolean>((resolve) => child.on('close', (code) => resolve(code !== null)));
  const early = await Promise.race([ended, delay(ms, undefined)]);
  if (early !== undefined) return true;
  child.kill('SIGKILL');
  return await ended;
}

/** An installation that dies again and again. */
export const killProofs: readonly Proof[] = [
  {
    id: '2-install',
    title: 'an installation that is killed at random instants is taken up by the next run, and no key is made twice',
    needs: ['2-prepare'],
    timeoutMs: 1_200_000,
    prove: async (t, world) => {
      await ensureNamespace(world.lab, ENFORCED);
      const keys = new Map<string, string>();
      let kills = 0;
      for (; kills < KILLS; kills += 1) {
        const ms = randomInt(EARLIEST_MS, LATEST_MS);
        t.log(`kill ${kills + 1} after ${ms} ms`);
        if (await installAndKill(world, ms)) break;
        for (const [name, hash] of await keysOf(world)) {
          t.is(keys.get(name) ?? hash, hash, `${name} after kill ${kills + 1}`);
          keys.set(name, hash);
        }
      }
      world.measured.set('kills', String(kills));
      const { ms } = await install(world);
      world.measured.set('install after the kills', `${(ms / 1000).toFixed(1)} s`);
      const after = await keysOf(world);
      for (const [name, hash] of keys) t.is(after.get(name), hash, name);
      t.true(keys.size > 0);
    },
  },
];
