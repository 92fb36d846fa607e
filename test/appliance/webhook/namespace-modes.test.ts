import test from 'ava';

import { ENFORCE_EVERYWHERE, parseNamespaceModes } from '../../../appliance/webhook/namespace-modes.ts';

test('a namespace has its own mode, others the default', (t) => {
  const modes = parseNamespaceModes({ _default: 'warn', shop: 'enforce', lab: 'warn' });
  t.deepEqual(
    ['shop', 'lab', 'other'].map((name) => modes.modeOf(name)),
    ['enforce', 'warn', 'warn'],
  );
});

test('without a default everything else is enforced', (t) => {
  t.is(parseNamespaceModes({ lab: 'warn' }).modeOf('other'), 'enforce');
});

test('the namespace named default is one like any other', (t) => {
  const modes = parseNamespaceModes({ default: 'warn' });
  t.deepEqual(
    ['default', 'other'].map((name) => modes.modeOf(name)),
    ['warn', 'enforce'],
  );
});

for (const word of ['Warn', 'WARN', 'warn ', 'off', '', 7, null]) {
  test(`${JSON.stringify(word)} is no mode: enforced, and told`, (t) => {
    const modes = parseNamespaceModes({ shop: word, _default: 'warn' });
    t.is(modes.modeOf('shop'), 'enforce');
    t.is(modes.faults.length, 1);
  });
}

test('names of Object.prototype have no mode of their own', (t) => {
  t.is(parseNamespaceModes({ _default: 'enforce' }).modeOf('constructor'), 'enforce');
});

test('while nothing is known everything is enforced', (t) => {
  t.is(ENFORCE_EVERYWHERE.modeOf('shop'), 'enforce');
});
