import type { Clock } from '../kernel/clock.ts';

/** What a computation hands to the cache beside its value. */
export interface Cacheable<Value> {
  readonly value: Value;
  /** Until when the value may be used again; for ever when left out (the key says everything it depends on). */
  readonly validUntil?: Date;
  /** What it takes in memory, roughly. */
  readonly bytes: number;
}

/** Limits of a {@link VerdictCache}. */
export interface CacheLimits {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

/** Counters of a {@link VerdictCache}, since it was made. */
export interface CacheStatistics {
  readonly entries: number;
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
}

interface Entry<Value> {
  readonly value: Value;
  readonly validUntil: number;
  readonly bytes: number;
}

/**
 * Values by content key, the least recently used dropped first, bounded in entries and bytes. Askers for one key share
 * one computation. A computation that fails is not kept: "could not decide" is never remembered. What was computed
 * before {@link VerdictCache.clear} is handed to those who asked for it and then forgotten.
 */
export class VerdictCache<Value> {
  readonly #limits: CacheLimits;
  readonly #clock: Clock;
  /** In order of use, the oldest first. */
  readonly #entries = new Map<string, Entry<Value>>();
  #underWay = new Map<string, Promise<Value>>();
  #bytes = 0;
  #hits = 0;
  #misses = 0;

  constructor(limits: CacheLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** The value under `key`, from `compute` when there is none that is still valid. Fails as `compute` does. */
  async get(key: string, compute: () => Promise<Cacheable<Value>>): Promise<Value> {
    const kept = this.#fresh(key);
    if (kept !== undefined) {
      this.#hits += 1;
      return kept.value;
    }
    const running = this.#underWay.get(key);
    if (running !== undefined) {
      this.#hits += 1;
      return await running;
    }
    this.#misses += 1;
    const epoch = this.#underWay;
    const computing = this.#compute(key, compute, epoch);
    epoch.set(key, computing);
    try {
      return await computing;
    } finally {
      epoch.delete(key);
    }
  }

  /** Forgets everything, and lets go of the computations under way. */
  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
    this.#underWay = new Map();
  }

  statistics(): CacheStatistics {
    return { entries: this.#entries.size, bytes: this.#bytes, hits: this.#hits, misses: this.#misses };
  }

  async #compute(key: string, compute: () => Promise<Cacheable<Value>>, epoch: unknown): Promise<Value> {
    const { value, validUntil, bytes } = await compute();
    if (epoch === this.#underWay) {
      this.#keep(key, {
        value,
        validUntil: validUntil?.getTime() ?? Number.POSITIVE_INFINITY,
        bytes: bytes + key.length,
      });
    }
    return value;
  }

  #fresh(key: string): Entry<Value> | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#drop(key, entry);
    // A time that can't be compared is no validity at all.
    if (!(entry.validUntil > this.#clock.now().getTime())) return undefined;
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
    return entry;
  }

  #keep(key: string, entry: Entry<Value>): void {
    if (entry.bytes > this.#limits.maxBytes || !(entry.validUntil > this.#clock.now().getTime())) return;
    const replaced = this.#entries.get(key);
    if (replaced !== undefined) this.#drop(key, replaced);
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
    for (const [oldest, dropped] of this.#entries) {
      if (this.#entries.size <= this.#limits.maxEntries && this.#bytes <= this.#limits.maxBytes) break;
      this.#drop(oldest, dropped);
    }
  }

  #drop(key: string, entry: Entry<Value>): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }
}
