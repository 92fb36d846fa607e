import { setTimeout as delay } from 'node:timers/promises';
import { describeError } from '../../appliance/kernel/coded-error.ts';
import { LabError } from './lab-error.ts';

/** How a condition is waited for. */
export interface WaitOptions {
  readonly timeoutMs: number;
  /** Pause between two looks; half a second unless told. */
  readonly everyMs?: number;
  /** Whether it is so by now. What it throws counts as "not yet", and is told when the time is over. */
  readonly probe: () => Promise<boolean>;
  /** Whether waiting has become pointless: a message, or nothing. */
  readonly hopeless?: () => Promise<string | undefined>;
  /** Where to look when the time is over. */
  readonly fix?: string;
}

/**
 * Waits for a condition.
 * @param what completes the sentence "waited for …".
 * @throws LabError `DEADLINE`.
 */
export async function waitUntil(what: string, options: WaitOptions): Promise<void> {
  const { timeoutMs, everyMs = 500, probe, hopeless, fix } = options;
  const deadline = Date.now() + timeoutMs;
  const hint = fix === undefined ? {} : { fix };
  for (;;) {
    let cause: unknown;
    try {
      if (await probe()) return;
    } catch (error) {
      cause = error;
    }
    const reason = await hopeless?.();
    if (reason !== undefined) throw new LabError('DEADLINE', `waited for ${what}: ${reason}`, { cause, ...hint });
    if (Date.now() >= deadline) {
      const last = cause === undefined ? '' : `; last: ${describeError(cause)}`;
      throw new LabError('DEADLINE', `waited ${Math.round(timeoutMs / 1000)} s for ${what}${last}`, { cause, ...hint });
    }
    await delay(everyMs);
  }
}
