import test from 'ava';

import { describeError, KernelError } from '../../../appliance/kernel/coded-error.ts';

test('an error is told with its causes', (t) => {
  const error = new KernelError('FETCH_FAILED', 'no answer', { cause: new Error('connection refused') });
  t.is(describeError(error), 'no answer: connection refused');
});

test('a refused connection to several addresses names the first refusal', (t) => {
  t.is(describeError(new AggregateError([new Error('refused ::1')], '')), 'refused ::1');
});

test('a chain of causes that goes round ends', (t) => {
  const error = new Error('round');
  error.cause = error;
  t.is(describeError(error), 'round');
});
