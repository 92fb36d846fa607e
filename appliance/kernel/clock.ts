/** The only source of the time of day. Decisions take a `Clock`; none reads the system's clock by itself. */
export interface Clock {
  now(): Date;
}

/** The machine's own clock. */
export const systemClock: Clock = { now: () => new Date() };

/** A clock that stands still until it is told to move; for tests and for judging things as of a past moment. */
export interface AdjustableClock extends Clock {
  /** Sets the time. */
  set(time: Date): void;
  /** Moves the time by `ms` milliseconds (negative: back). */
  advance(ms: number): void;
}

/** Makes an {@link AdjustableClock} that starts at `start`. */
export function clockAt(start: Date | string): AdjustableClock {
  let current = new Date(start).getTime();
  return {
    now: () => new Date(current),
    set: (time) => {
      current = time.getTime();
    },
    advance: (ms) => {
      current += ms;
    },
  };
}
