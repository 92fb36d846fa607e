import { setTimeout as delay } from 'node:timers/promises';

/** Does `work` again and again, `ms` milliseconds after it last ended, until the signal is aborted. */
export async function poll(ms: number, work: () => Promise<unknown>, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await delay(ms, undefined, { signal });
    } catch {
      return;
    }
    await work();
  }
}
