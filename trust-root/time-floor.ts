import { TrustRootError } from './trust-root-error.ts';

/** How far a clock may lag behind a signed time before it is called wrong. */
export const CLOCK_TOLERANCE_MS = 5 * 60_000;

/**
 * Refuses a clock that shows an earlier time than one that the site's timestamp role has signed: set back, it would make
 * expired metadata current again. It also refuses a signed time ahead of the clock, so a stolen timestamp key can't push
 * the floor into the future.
 * @param floor the latest time seen signed; `undefined`: none yet.
 * @throws TrustRootError `CLOCK_BEFORE_FLOOR`.
 */
export function assertClockAfter(floor: Date | undefined, now: Date): void {
  if (floor === undefined || now.getTime() >= floor.getTime() - CLOCK_TOLERANCE_MS) return;
  throw new TrustRootError(
    'CLOCK_BEFORE_FLOOR',
    `the clock says ${now.toISOString()}, but the site's trust root was signed at ${floor.toISOString()}`,
    { fix: "set this machine's clock" },
  );
}

/** The later of two times, where there are any. */
export function latest(a: Date | undefined, b: Date | undefined): Date | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a > b ? a : b;
}
