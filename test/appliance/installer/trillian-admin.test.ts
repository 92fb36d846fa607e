import test from 'ava';
import fc from 'fast-check';

import type { GrpcAnswer } from '../../../appliance/installer/grpc-client.ts';
import { InstallerError } from '../../../appliance/installer/installer-error.ts';
import { bytesField, integerField, wireFields } from '../../../appliance/installer/protobuf.ts';
import { ensureLog, type TrillianCall } from '../../../appliance/installer/trillian-admin.ts';

interface FakeTree {
  readonly id: bigint;
  readonly name: string;
}

/** A Trillian that keeps trees in a list and dies after `lives` calls that change something. */
class FakeTrillian {
  readonly trees: FakeTree[] = [];
  readonly started = new Set<string>();
  lives = Number.POSITIVE_INFINITY;

  readonly call: TrillianCall = async (method, request): Promise<GrpcAnswer> => {
    if (method.endsWith('ListTrees')) {
      return { status: 0, message: Buffer.concat(this.trees.map((tree) => bytesField(1, encode(tree)))) };
    }
    if (method.endsWith('CreateTree')) {
      const wanted = wireFields(wireFields(request)[0]?.bytes ?? Buffer.alloc(0));
      const name = wanted.find((field) => field.number === 8)?.bytes.toString() ?? '';
      const tree = { id: 2n ** 62n + BigInt(this.trees.length), name };
      this.trees.push(tree);
      this.#die();
      return { status: 0, message: encode(tree) };
    }
    const id = `${wireFields(request)[0]?.value ?? 0n}`;
    if (this.started.has(id)) return { status: 6, error: 'already there' };
    this.started.add(id);
    this.#die();
    return { status: 0, message: Buffer.alloc(0) };
  };

  #die(): void {
    this.lives -= 1;
    if (this.lives < 0) throw new Error('killed');
  }
}

function encode({ id, name }: FakeTree): Buffer {
  return Buffer.concat([integerField(1, id), integerField(2, 1n), integerField(3, 1n), bytesField(8, name)]);
}

test('a log that is not there is made and started', async (t) => {
  const trillian = new FakeTrillian();
  const id = await ensureLog(trillian.call, 'rekor-tree', undefined);
  t.is(id, `${2n ** 62n}`);
  t.true(trillian.started.has(id));
});

test('a log that is there is used', async (t) => {
  const trillian = new FakeTrillian();
  const id = await ensureLog(trillian.call, 'rekor-tree', undefined);
  t.is(await ensureLog(trillian.call, 'rekor-tree', undefined), id);
  t.is(trillian.trees.length, 1);
});

for (const lives of [0, 1]) {
  test(`killed after ${lives + 1} of its changes, the next run makes no second tree`, async (t) => {
    const trillian = new FakeTrillian();
    trillian.lives = lives;
    await t.throwsAsync(ensureLog(trillian.call, 'rekor-tree', undefined), { message: 'killed' });
    trillian.lives = Number.POSITIVE_INFINITY;
    const id = await ensureLog(trillian.call, 'rekor-tree', undefined);
    t.is(trillian.trees.length, 1);
    t.true(trillian.started.has(id));
  });
}

test('a recorded log that the database has lost is never replaced by a new one', async (t) => {
  const trillian = new FakeTrillian();
  await t.throwsAsync(ensureLog(trillian.call, 'rekor-tree', '42'), {
    instanceOf: InstallerError,
    code: 'LOG_MISSING',
  });
  t.is(trillian.trees.length, 0);
});

test('two logs of one name are left to the operator', async (t) => {
  const trillian = new FakeTrillian();
  trillian.trees.push({ id: 1n, name: 'rekor-tree' }, { id: 2n, name: 'rekor-tree' });
  await t.throwsAsync(ensureLog(trillian.call, 'rekor-tree', undefined), {
    instanceOf: InstallerError,
    code: 'LOG_AMBIGUOUS',
  });
  t.is(await ensureLog(trillian.call, 'rekor-tree', '2'), '2');
});

test('what is written on the wire reads back', (t) => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }),
      fc.uint8Array(),
      fc.integer({ min: 1, max: 10_000 }),
      (value, bytes, number) => {
        const fields = wireFields(Buffer.concat([integerField(number, value), bytesField(number, bytes)]));
        t.deepEqual(fields[0], { number, value, bytes: Buffer.alloc(0) });
        t.deepEqual(fields[1], { number, value: 0n, bytes: Buffer.from(bytes) });
      },
    ),
  );
});

test('hostile bytes are read or refused, never worse', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        wireFields(Buffer.from(bytes));
      } catch (error) {
        t.true(error instanceof InstallerError);
      }
    }),
  );
  t.pass();
});
