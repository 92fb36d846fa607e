import { setTimeout as delay } from 'node:timers/promises';

/** How often and how patiently something is tried again. */
export interface RetryPolicy {
  /** Most tries in a row without progress, the first included. */
  readonly attempts: number;
  /** First pause; doubles with each further try. */
  readonly firstPauseMs: number;
  /** Longest pause, also when the server asks for a longer one. */
  readonly longestPauseMs: number;
  /** Waits; rejects when the signal aborts. Given by tests so that nothing sleeps. */
  wait(ms: number, signal?: AbortSignal): Promise<void>;
  /** From 0 to 1: spreads clients that failed together. */
  random(): number;
}

/** Five tries over about ten seconds, up to a minute when a server asks for it. */
export const patientRetry: RetryPolicy = {
  attempts: 5,
  firstPauseMs: 500,
  longestPauseMs: 60_000,
  wait: async (ms, signal) => await delay(ms, undefined, signal === undefined ? {} : { signal }),
  random: Math.random,
};

/**
 * The pause after the try number `attempt` (from 1): what the server asked for, else doubling with a jitter of a half;
 * never longer than the longest.
 */
export function pauseBefore(policy: RetryPolicy, attempt: number, askedMs?: number): number {
  const doubled = policy.firstPauseMs * 2 ** (attempt - 1);
  const wanted = askedMs ?? doubled * (0.5 + policy.random() / 2);
  return Math.min(wanted, policy.longestPauseMs);
}

/** Milliseconds of a `Retry-After` header (RFC 9110 §10.2.3): seconds or a date. */
export function retryAfterMs(header: string | undefined, now: Date): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,6}$/.test(header.trim())) return Number(header.trim()) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now.getTime());
}

/** Statuses that may pass by themselves. */
export function isPassing(status: number): boolean {
  return status === 408 || status === 429 || status === 500 || status === 502 || status === 503 || status === 504;
}
