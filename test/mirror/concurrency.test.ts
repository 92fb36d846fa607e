import test from 'ava';
import { forEachLimited, limiter } from '../../mirror/concurrency.ts';

async function tick(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test('no more than the limit run at once, and all run', async (t) => {
  let [running, most, done] = [0, 0, 0];
  const work = async (): Promise<void> => {
    running += 1;
    most = Math.max(most, running);
    await tick();
    running -= 1;
    done += 1;
  };
  await forEachLimited(Array.from({ length: 20 }), 3, work);
  t.deepEqual([most, done], [3, 20]);
  [most, done] = [0, 0];
  const limited = limiter(2);
  await Promise.all(Array.from({ length: 20 }, async () => await limited(work)));
  t.deepEqual([most, done], [2, 20]);
});

test('after a failure nothing new starts, and the first failure is told', async (t) => {
  const started: number[] = [];
  const work = async (item: number): Promise<void> => {
    started.push(item);
    await tick();
    if (item < 2) throw new Error(`failed ${item}`);
  };
  await t.throwsAsync(forEachLimited([0, 1, 2, 3, 4, 5], 2, work), { message: 'failed 0' });
  t.deepEqual(started, [0, 1]);
});

test('a failure frees its place', async (t) => {
  const limited = limiter(1);
  await t.throwsAsync(limited(async () => await Promise.reject(new Error('x'))));
  t.is(await limited(async () => 7), 7);
});
