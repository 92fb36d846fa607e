import test from 'ava';
import fc from 'fast-check';

import { clockAt } from '../../../appliance/kernel/clock.ts';
import { VerdictCache } from '../../../appliance/webhook/verdict-cache.ts';

const START = '2026-01-01T00:00:00Z';
const cacheOf = (maxEntries = 100, maxBytes = 10_000) => {
  const clock = clockAt(START);
  return { clock, cache: new VerdictCache<number>({ maxEntries, maxBytes }, clock) };
};

function counting(value: number, details: { validUntil?: Date; bytes?: number } = {}) {
  const state = { calls: 0 };
  return {
    state,
    compute: async () => {
      state.calls += 1;
      return { value, bytes: 10, ...details };
    },
  };
}

test('a value is computed once and used again', async (t) => {
  const { cache } = cacheOf();
  const { state, compute } = counting(7);
  t.is(await cache.get('k', compute), 7);
  t.is(await cache.get('k', compute), 7);
  t.is(state.calls, 1);
  t.like(cache.statistics(), { hits: 1, misses: 1, entries: 1 });
});

test('those who ask at once share one computation', async (t) => {
  const { cache } = cacheOf();
  const { state, compute } = counting(7);
  t.deepEqual(
    await Promise.all(Array.from({ length: 50 }, async () => await cache.get('k', compute))),
    Array(50).fill(7),
  );
  t.is(state.calls, 1);
});

test('a failure is told to all who asked, and not kept', async (t) => {
  const { cache } = cacheOf();
  const fail = async (): Promise<never> => {
    throw new Error('could not decide');
  };
  const both = [cache.get('k', fail), cache.get('k', fail)];
  for (const one of both) await t.throwsAsync(one, { message: 'could not decide' });
  t.is(await cache.get('k', counting(1).compute), 1);
});

test('a value is used until validUntil, and not at it', async (t) => {
  const { cache, clock } = cacheOf();
  const validUntil = new Date(Date.parse(START) + 10_000);
  const first = counting(1, { validUntil });
  await cache.get('k', first.compute);
  clock.advance(9999);
  await cache.get('k', first.compute);
  t.is(first.state.calls, 1);
  clock.advance(1);
  t.is(await cache.get('k', counting(2).compute), 2);
});

test('a value whose validity is over at once, or is no time at all, is not kept', async (t) => {
  const { cache } = cacheOf();
  await cache.get('a', counting(1, { validUntil: new Date(START) }).compute);
  await cache.get('b', counting(1, { validUntil: new Date('nonsense') }).compute);
  t.is(cache.statistics().entries, 0);
});

test('the least recently used goes first', async (t) => {
  const { cache } = cacheOf(2);
  await cache.get('a', counting(1).compute);
  await cache.get('b', counting(2).compute);
  await cache.get('a', counting(1).compute);
  await cache.get('c', counting(3).compute);
  const again = counting(9);
  t.is(await cache.get('a', again.compute), 1);
  t.is(await cache.get('b', again.compute), 9);
});

test('one value larger than the whole cache is not kept and drops nothing', async (t) => {
  const { cache } = cacheOf(10, 100);
  await cache.get('a', counting(1).compute);
  await cache.get('b', counting(2, { bytes: 101 }).compute);
  t.is(cache.statistics().entries, 1);
});

test('what was under way when the cache was cleared is handed out and not kept', async (t) => {
  const { cache } = cacheOf();
  const { promise, resolve } = Promise.withResolvers<{ value: number; bytes: number }>();
  const old = cache.get('k', async () => await promise);
  cache.clear();
  const fresh = cache.get('k', counting(2).compute);
  resolve({ value: 1, bytes: 10 });
  t.is(await old, 1);
  t.is(await fresh, 2);
  t.is(await cache.get('k', counting(3).compute), 2);
});

test('whatever is asked, the bounds hold and each answer is of its key', async (t) => {
  const steps = fc.array(fc.record({ key: fc.nat(20), bytes: fc.nat(60), clear: fc.nat(30) }), { maxLength: 200 });
  await fc.assert(
    fc.asyncProperty(steps, async (sequence) => {
      const { cache } = cacheOf(8, 200);
      for (const { key, bytes, clear } of sequence) {
        if (clear === 0) cache.clear();
        const got = await cache.get(String(key), async () => ({ value: key, bytes }));
        const { entries, bytes: kept } = cache.statistics();
        if (got !== key || entries > 8 || kept > 200 || kept < 0) return false;
      }
      return true;
    }),
  );
  t.pass();
});
