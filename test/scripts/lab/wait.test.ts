import test from 'ava';
import { lineProgress } from '../../../scripts/lab/steps.ts';
import { waitUntil } from '../../../scripts/lab/wait.ts';

test('waiting ends when it is so', async (t) => {
  let looks = 0;
  await waitUntil('the third look', { timeoutMs: 5000, everyMs: 1, probe: async () => ++looks === 3 });
  t.is(looks, 3);
});

test('a look that throws is not yet', async (t) => {
  let looks = 0;
  const probe = async () => {
    looks += 1;
    if (looks === 1) throw new Error('not there');
    return true;
  };
  await t.notThrowsAsync(waitUntil('it', { timeoutMs: 5000, everyMs: 1, probe }));
});

test('when the time is over, the last trouble is told', async (t) => {
  const probe = () => Promise.reject(new Error('connection refused'));
  const error = await t.throwsAsync(waitUntil('the server', { timeoutMs: 0, everyMs: 1, probe, fix: 'see the log' }), {
    code: 'DEADLINE',
    message: /the server; last: connection refused/,
  });
  t.is((error as { fix?: string }).fix, 'see the log');
});

test('waiting for what can’t come any more ends at once', async (t) => {
  const options = { timeoutMs: 60_000, everyMs: 1, probe: async () => false, hopeless: async () => 'etcd has ended' };
  await t.throwsAsync(waitUntil('etcd', options), { code: 'DEADLINE', message: 'waited for etcd: etcd has ended' });
});

test('a step that fails is named, and hands on what to do', async (t) => {
  const lines: string[] = [];
  const { step } = lineProgress((line) => lines.push(line));
  const fails = () => waitUntil('it', { timeoutMs: 0, everyMs: 1, probe: async () => false, fix: 'see the log' });
  const error = await t.throwsAsync(step('control plane', fails), { code: 'STEP_FAILED', message: /^control plane/ });
  t.is((error as { fix?: string }).fix, 'see the log');
  t.regex(lines[0] ?? '', /control plane …$/);
});
