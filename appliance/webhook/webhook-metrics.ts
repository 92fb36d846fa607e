import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** What is counted, in a registry of its own. */
export interface WebhookMetrics {
  readonly registry: Registry;
  reviewed(route: string, verdict: string, seconds: number): void;
}

/** What the gauges read at the moment they are asked. */
export interface ObservedState {
  generation(): number | undefined;
  /** Seconds since the trust in use was signed. */
  trustAgeSeconds(): number | undefined;
  /** Seconds until the first of its metadata expires; negative afterwards. */
  trustExpirySeconds(): number | undefined;
  policies(): number;
  faults(): number;
  cache(): { readonly entries: number; readonly bytes: number; readonly hits: number; readonly misses: number };
}

/** Prometheus metrics of the webhook. */
export function webhookMetrics(state: ObservedState): WebhookMetrics {
  const registry = new Registry();
  const registers = [registry];
  const reviews = new Counter({
    name: 'sealift_admission_reviews_total',
    help: 'Admission reviews answered, by route and verdict.',
    labelNames: ['route', 'verdict'] as const,
    registers,
  });
  const seconds = new Histogram({
    name: 'sealift_admission_review_seconds',
    help: 'Time from the full request to the answer.',
    labelNames: ['route'] as const,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 2.5, 8],
    registers,
  });
  const gauge = (name: string, help: string, read: () => number | undefined): Gauge =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        const value = read();
        if (value === undefined) this.reset();
        else this.set(value);
      },
    });
  gauge('sealift_trust_generation', 'Number of the trust generation in use.', () => state.generation());
  gauge('sealift_trust_age_seconds', 'Time since the trust in use was signed.', () => state.trustAgeSeconds());
  gauge('sealift_trust_expiry_seconds', 'Time until the first trust metadata expires.', () =>
    state.trustExpirySeconds(),
  );
  gauge('sealift_policies', 'Policies in force, custom resources and floor.', () => state.policies());
  gauge('sealift_faults', 'Sources that are failing now: trust, policies, modes.', () => state.faults());
  gauge('sealift_verdict_cache_entries', 'Verdicts kept.', () => state.cache().entries);
  gauge('sealift_verdict_cache_bytes', 'Memory that kept verdicts take, roughly.', () => state.cache().bytes);
  gauge('sealift_verdict_cache_hits', 'Verdicts answered from the cache since the start.', () => state.cache().hits);
  gauge('sealift_verdict_cache_misses', 'Verdicts computed since the start.', () => state.cache().misses);
  return {
    registry,
    reviewed: (route, verdict, duration) => {
      reviews.inc({ route, verdict });
      seconds.observe({ route }, duration);
    },
  };
}
