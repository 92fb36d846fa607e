import { type KeyObject, sign } from 'node:crypto';

import test from 'ava';
import fc from 'fast-check';

import { checkpointKeyHint, parseCheckpoint, verifyCheckpoint } from '../../trust-root/checkpoint.ts';
import { generateKey, type KeyAlgorithm, publicKeyOf } from '../../trust-root/keys.ts';

const ROOT = Buffer.alloc(32, 7).toString('base64');
const HOST = 'rekor.site.example';
const ORIGIN = `${HOST} - 7593575117226076792`;

interface NoteOptions {
  readonly key: KeyObject;
  readonly origin?: string;
  readonly name?: string;
  readonly size?: string;
  readonly hint?: Buffer;
}

function note({ key, origin = ORIGIN, name = HOST, size = '42', hint }: NoteOptions): string {
  const text = `${origin}\n${size}\n${ROOT}\n`;
  const signature = sign(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', Buffer.from(text), key);
  const keyHint = hint ?? checkpointKeyHint(name, publicKeyOf(key));
  return `${text}\n\u2014 ${name} ${Buffer.concat([keyHint, signature]).toString('base64')}\n`;
}

const log = (key: KeyObject) => ({ origin: ORIGIN, keyName: HOST, publicKey: publicKeyOf(key) });

for (const algorithm of ['p256', 'ed25519'] satisfies KeyAlgorithm[]) {
  test(`a checkpoint of the log's own ${algorithm} key verifies`, (t) => {
    const key = generateKey(algorithm);
    const checkpoint = verifyCheckpoint(note({ key }), log(key));
    t.is(checkpoint.size, 42n);
    t.is(checkpoint.root.toString('base64'), ROOT);
  });
}

const refusals: Record<string, (key: KeyObject) => string> = {
  'another origin': (key) => note({ key, origin: `${HOST} - 1` }),
  "a name that is part of the log's": (key) => note({ key, name: 'r' }),
  "a name that matches the log's as a pattern": (key) => note({ key, name: 'rekor-site-example' }),
  'another key': () => note({ key: generateKey('p256') }),
  "another key under this key's id": (key) =>
    note({ key: generateKey('p256'), hint: checkpointKeyHint(HOST, publicKeyOf(key)) }),
  'another size than was signed': (key) => note({ key }).replace('\n42\n', '\n43\n'),
  'two signatures of the log': (key) => {
    const whole = note({ key });
    return whole + whole.slice(whole.indexOf('\u2014'));
  },
};
for (const [title, make] of Object.entries(refusals)) {
  test(`a checkpoint with ${title} is refused`, (t) => {
    const key = generateKey('p256');
    t.throws(() => verifyCheckpoint(make(key), log(key)), { code: 'CHECKPOINT_INVALID' });
  });
}

test("a witness's signature beside the log's is no harm", (t) => {
  const key = generateKey('ed25519');
  const whole = note({ key });
  const witness = `\u2014 witness.example ${Buffer.alloc(76, 1).toString('base64')}\n`;
  t.is(verifyCheckpoint(whole + witness, log(key)).signatures.length, 2);
});

const malformed: Record<string, (text: string) => string> = {
  'a leading zero in its size': (text) => text.replace('\n42\n', '\n042\n'),
  'a negative size': (text) => text.replace('\n42\n', '\n-1\n'),
  'a size past 2^63': (text) => text.replace('\n42\n', '\n9223372036854775808\n'),
  'a size that is no number': (text) => text.replace('\n42\n', '\n4e1\n'),
  'a root of 31 bytes': (text) => text.replace(ROOT, Buffer.alloc(31).toString('base64')),
  'sloppy base64': (text) => text.replace(ROOT, ROOT.replace('=', '')),
  'no blank line': (text) => text.replace('\n\n', '\n'),
  'no newline at its end': (text) => text.slice(0, -1),
  'a carriage return': (text) => text.replace('\n42\n', '\r\n42\n'),
  'a NUL': (text) => text.replace('rekor', 'rek\u0000or'),
  'no origin': (text) => text.slice(text.indexOf('\n')),
  'a plus sign in a name': (text) => text.replace(`\u2014 ${HOST}`, '\u2014 a+b'),
  'a hyphen for the dash': (text) => text.replace('\u2014', '-'),
  '17 KiB of extensions': (text) => text.replace(`${ROOT}\n`, `${ROOT}\n${'x'.repeat(17 * 1024)}\n`),
};
for (const [title, change] of Object.entries(malformed)) {
  test(`a checkpoint with ${title} is refused`, (t) => {
    const text = change(note({ key: generateKey('p256') }));
    t.throws(() => parseCheckpoint(text), { code: 'CHECKPOINT_INVALID' });
  });
}

test('whatever text comes, parsing gives a checkpoint or refuses by name', (t) => {
  const good = note({ key: generateKey('p256') });
  const cut = fc.tuple(fc.nat(good.length), fc.nat(good.length), fc.string({ maxLength: 8 }));
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        cut.map(([from, to, text]) => good.slice(0, from) + text + good.slice(to)),
      ),
      (text) => {
        try {
          const { origin, size, root, extensions, signedText } = parseCheckpoint(text);
          t.is([origin, size, root.toString('base64'), ...extensions, ''].join('\n'), signedText);
        } catch (error) {
          t.is((error as { code?: string }).code, 'CHECKPOINT_INVALID');
        }
      },
    ),
  );
});
