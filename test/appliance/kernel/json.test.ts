import test from 'ava';
import fc from 'fast-check';

import { KernelError } from '../../../appliance/kernel/coded-error.ts';
import { canonicalJson, type JsonValue, parseJson } from '../../../appliance/kernel/json.ts';

test('a document of too many bytes is refused before it is read', (t) => {
  t.like(
    t.throws(() => parseJson('"0123456789"', 'it', { maxBytes: 8 }), { instanceOf: KernelError }),
    { code: 'TOO_LARGE' },
  );
});

test('nesting past the limit is refused before the parser recurses', (t) => {
  t.like(
    t.throws(() => parseJson('['.repeat(1_000_000), 'it'), { instanceOf: KernelError }),
    { code: 'JSON_TOO_DEEP' },
  );
});

test('brackets inside strings are not nesting', (t) => {
  t.deepEqual(parseJson('["[[[[\\"[[["]', 'it', { maxDepth: 1 }), ['[[[["[[[']);
});

test('bytes that are not UTF-8 are refused', (t) => {
  t.like(
    t.throws(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22), 'it'), { instanceOf: KernelError }),
    { code: 'JSON_INVALID' },
  );
});

test('what is not JSON is refused', (t) => {
  t.like(
    t.throws(() => parseJson('{"a":', 'it'), { instanceOf: KernelError }),
    { code: 'JSON_INVALID' },
  );
});

test('canonical JSON does not depend on the order of members', (t) => {
  t.is(canonicalJson({ b: 1, a: [true, null, 'x'] }), '{"a":[true,null,"x"],"b":1}');
});

test('canonical JSON has no form for infinity', (t) => {
  t.throws(() => canonicalJson(Infinity), { instanceOf: KernelError });
});

test('whatever canonical JSON writes reads back as the same value, and again as the same text', (t) => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
      const text = canonicalJson(value as JsonValue);
      const read = parseJson(text, 'it') as JsonValue;
      t.is(canonicalJson(read), text);
      t.is(JSON.stringify(sorted(read)), JSON.stringify(sorted(value as JsonValue)));
    }),
  );
});

function sorted(value: JsonValue): unknown {
  if (Array.isArray(value)) return (value as JsonValue[]).map(sorted);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  );
}
