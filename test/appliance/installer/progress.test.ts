import { Writable } from 'node:stream';

import test from 'ava';

import { type ProgressItem, runWithProgress } from '../../../appliance/installer/progress.ts';

function collector(): { output: Writable; text: () => string } {
  const chunks: string[] = [];
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk.toString());
      done();
    },
  });
  return { output, text: () => chunks.join('') };
}

const item = (title: string, outcome: 'done' | 'unchanged' | Error): ProgressItem => ({
  title,
  run: async (tell) => {
    tell('half way');
    if (outcome instanceof Error) throw outcome;
    return outcome;
  },
});

test('without a terminal each item has its lines', async (t) => {
  const { output, text } = collector();
  await runWithProgress([item('A', 'done'), item('B', 'unchanged')], { isTty: false, output, monotonic: () => 0 });
  t.is(text(), '[1/2] A\n  half way\n[1/2] A: done in 0.0 s\n[2/2] B\n  half way\n[2/2] B: as it should be\n');
});

test('a terminal that does not tell its width gets plain lines, too', async (t) => {
  const { output, text } = collector();
  await runWithProgress([item('A', 'done')], { isTty: true, output, monotonic: () => 0 });
  t.regex(text(), /^\[1\/1\] A\n/);
});

test('after a failure nothing more is done, and the failure is handed on', async (t) => {
  const { output, text } = collector();
  const failure = new RangeError('no');
  const run = runWithProgress([item('A', failure), item('B', 'done')], { isTty: false, output });
  t.is(await t.throwsAsync(run), failure);
  t.notRegex(text(), /B/);
});
