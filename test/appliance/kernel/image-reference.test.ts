import test from 'ava';
import fc from 'fast-check';

import { KernelError } from '../../../appliance/kernel/coded-error.ts';
import { digestOf } from '../../../appliance/kernel/digest.ts';
import {
  formatImageReference,
  parseImageReference,
  pinnedReference,
} from '../../../appliance/kernel/image-reference.ts';

const digest = digestOf('anything');

const normalised: readonly (readonly [string, string])[] = [
  ['nginx', 'docker.io/library/nginx:latest'],
  ['acme/app', 'docker.io/acme/app:latest'],
  ['index.docker.io/nginx', 'docker.io/library/nginx:latest'],
  ['ghcr.io/acme/app:v1', 'ghcr.io/acme/app:v1'],
  ['localhost/app', 'localhost/app:latest'],
  ['localhost:5000/app', 'localhost:5000/app:latest'],
  [`ghcr.io/acme/app@${digest}`, `ghcr.io/acme/app@${digest}`],
  [`ghcr.io/acme/app:v1@${digest}`, `ghcr.io/acme/app:v1@${digest}`],
];

for (const [given, wanted] of normalised) {
  test(`${given} is normalised as containerd does`, (t) => {
    t.is(formatImageReference(parseImageReference(given)), wanted);
  });
}

for (const given of [
  '',
  ':v1',
  'acme/UPPER',
  'a//b',
  'ghcr.io/',
  'ghcr.io/a:',
  'a@sha256:12',
  'a@sha512:00',
  'a b',
  '../a',
  `a:${'x'.repeat(129)}`,
]) {
  test(`${JSON.stringify(given.slice(0, 20))} is refused`, (t) => {
    t.like(
      t.throws(() => parseImageReference(given), { instanceOf: KernelError }),
      { code: 'REFERENCE_INVALID' },
    );
  });
}

test('a reference pinned to a digest has no tag', (t) => {
  t.is(pinnedReference(parseImageReference('nginx:1.27'), digest), `docker.io/library/nginx@${digest}`);
});

test('formatting what was parsed and parsing it again changes nothing', (t) => {
  const word = fc.stringMatching(/^[a-z0-9]{1,12}$/);
  const reference = fc.record({
    host: fc.constantFrom('ghcr.io', 'docker.io', 'localhost:5000', 'registry.example.com'),
    path: fc.array(word, { minLength: 2, maxLength: 4 }),
    tag: fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/), { nil: undefined }),
    pinned: fc.boolean(),
  });
  fc.assert(
    fc.property(reference, ({ host, path, tag, pinned }) => {
      const text = `${host}/${path.join('/')}${tag === undefined ? '' : `:${tag}`}${pinned ? `@${digest}` : ''}`;
      const parsed = parseImageReference(text);
      t.deepEqual(parseImageReference(formatImageReference(parsed)), parsed);
    }),
  );
});
