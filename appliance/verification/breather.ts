import { setImmediate as nextTurn } from 'node:timers/promises';

/** Lets others have a turn where a piece of work has taken one for long enough. */
export type Breather = () => Promise<void>;

const LONGEST_TURN_MS = 10;

/**
 * A breather for one piece of work: verifying a signature takes some milliseconds, and whoever can push to a registry
 * attaches as many as they like. Reviews of other images must not wait for all of them.
 */
export function breather(): Breather {
  let since = performance.now();
  return async () => {
    if (performance.now() - since < LONGEST_TURN_MS) return;
    await nextTurn();
    since = performance.now();
  };
}
