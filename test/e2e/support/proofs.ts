import type { ExecutionContext, TestFn } from 'ava';

import { collectLogs } from './failure-logs.ts';
import { keepProgress, type World } from './world.ts';

/** One point of a story that is told in order on one lab. */
export interface Proof {
  readonly id: string;
  readonly title: string;
  /** Ids of proofs without which this one can't be tried. */
  readonly needs?: readonly string[];
  /** Longest time in milliseconds; ten minutes unless told. Every wait inside has a shorter one of its own. */
  readonly timeoutMs?: number;
  readonly prove: (t: ExecutionContext, world: World) => Promise<void>;
}

const DEFAULT_TIMEOUT_MS = 600_000;

/**
 * Declares proofs as tests that run in order. One whose needs weren't met fails at once and says which; one that fails
 * leaves the cluster's and nodes' logs in a folder that it names.
 */
export function declareProofs(test: TestFn, proofs: readonly Proof[], makeWorld: () => Promise<World>): void {
  let world: World | undefined;
  test.before('enter the lab', async () => {
    world = await makeWorld();
  });
  for (const proof of proofs) {
    test.serial(`${proof.id}. ${proof.title}`, async (t) => {
      t.timeout(proof.timeoutMs ?? DEFAULT_TIMEOUT_MS);
      if (world === undefined) throw new Error('there is no lab');
      const { passed } = world;
      if (passed.has(proof.id)) {
        t.pass('held in the run that this one goes on with');
        return;
      }
      const lacking = (proof.needs ?? []).filter((id) => !passed.has(id));
      if (lacking.length > 0) {
        t.fail(`not tried, because ${lacking.join(', ')} failed`);
        return;
      }
      const started = Date.now();
      try {
        await proof.prove(t, world);
        passed.add(proof.id);
        await keepProgress(world);
        t.log(`${((Date.now() - started) / 1000).toFixed(1)} s`);
      } catch (error) {
        t.log(`logs: ${await collectLogs(world.lab, proof.id)}`);
        throw error;
      }
    });
  }
}

/** Some of `proofs`, for a suite that tells another story with them. */
export function onlyProofs(proofs: readonly Proof[], ids: readonly string[]): Proof[] {
  return proofs.filter(({ id }) => ids.includes(id));
}
