import { PassThrough } from 'node:stream';

import test from 'ava';
import { formatBytes, progressDisplay, progressLine } from '../../../appliance/bundle/byte-progress.ts';
import { clockAt } from '../../../appliance/kernel/clock.ts';

const MIB = 1024 * 1024;

test('a line tells bytes, share, rate and the time that is left', (t) => {
  t.is(
    progressLine({ doneBytes: 30 * MIB, totalBytes: 100 * MIB }, 3000),
    '30.0 MiB of 100.0 MiB, 30 %, 10.0 MiB/s, 7 s left',
  );
  t.is(progressLine({ doneBytes: 0, totalBytes: 10 }, 0), '0 B of 10 B, 0 %');
  t.is(progressLine({ doneBytes: 10, totalBytes: 10 }, 1000), '10 B of 10 B, 100 %, 10 B/s');
  t.is(progressLine({ doneBytes: 1, totalBytes: 7201 }, 1000), '1 B of 7.0 KiB, 0 %, 1 B/s, 2 h 0 min left');
});

test('sizes are for people', (t) => {
  t.deepEqual([0, 1023, 1024, 1.5 * MIB, 2 ** 41].map(formatBytes), ['0 B', '1023 B', '1.0 KiB', '1.5 MiB', '2.0 TiB']);
});

for (const isTty of [true, false]) {
  test(
    isTty ? 'on a terminal one line is rewritten' : 'elsewhere there is a line now and then, and at the end',
    (t) => {
      const stream = new PassThrough();
      const clock = clockAt('2026-11-21T06:00:00Z');
      const display = progressDisplay('written', { stream, isTty, clock });
      for (let done = 0; done <= 100; done += 1) {
        display.update({ doneBytes: done, totalBytes: 100 });
        clock.advance(250);
      }
      display.end();
      const text = String(stream.read());
      if (isTty) {
        t.is(text.split('\n').length, 2);
        t.true(text.split('\r').length > 50);
      } else {
        t.false(text.includes('\r'));
        t.is(text.trim().split('\n').length, 3);
      }
      t.regex(text, /100 B of 100 B, 100 %/);
    },
  );
}
