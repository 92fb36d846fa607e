import { setTimeout as delay } from 'node:timers/promises';

/** Waits some milliseconds; rejects when the signal aborts. Tests give one that waits for nothing. */
export type Wait = (ms: number, signal: AbortSignal) => Promise<void>;

/** Waits by the machine's clock. */
export const realWait: Wait = async (ms, signal) => {
  await delay(ms, undefined, { signal });
};

/** Runs `work` every `everyMs` milliseconds, first after one pause, until the signal aborts. `work` must not throw. */
export async function repeat(
  work: () => Promise<unknown>,
  pace: { readonly everyMs: number; readonly wait?: Wait },
  signal: AbortSignal,
): Promise<void> {
  const { everyMs, wait = realWait } = pace;
  while (!signal.aborted) {
    try {
      await wait(everyMs, signal);
    } catch {
      return;
    }
    await work();
  }
}
