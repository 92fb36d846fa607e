import type { ExecutionContext, TestFn } from 'ava';

import type { RepositoryStore } from '../../trust-root/repository-store.ts';

/** A store under test, and how to take it away. */
export interface StoreUnderTest {
  readonly store: RepositoryStore;
  dispose?(): Promise<void>;
}

/** A `timestamp.json` as far as a store looks into it. */
export function timestampOf(version: number): Buffer {
  return Buffer.from(JSON.stringify({ signed: { _type: 'timestamp', version }, signatures: [] }));
}

const files = (entries: Record<string, string | Buffer>): Map<string, Buffer> =>
  new Map(Object.entries(entries).map(([name, content]) => [name, Buffer.from(content)]));

const first = (): Map<string, Buffer> =>
  files({
    '1.root.json': 'root 1',
    'root.json': 'root 1',
    '1.snapshot.json': 'snapshot 1',
    'timestamp.json': timestampOf(1),
  });

const NONE = { timestampVersion: undefined };

/** What every {@link RepositoryStore} keeps to. `make` gives an empty store for each test. */
export function testRepositoryStore(test: TestFn, what: string, make: () => Promise<StoreUnderTest>): void {
  const fact: Fact = (title, body) => {
    test(`${what}: ${title}`, async (t) => {
      const made = await make();
      try {
        await body(made.store, t);
      } finally {
        await made.dispose?.();
      }
    });
  };
  contentFacts(fact);
  conflictFacts(fact);
  removalFacts(fact);
}

type Fact = (title: string, body: (store: RepositoryStore, t: ExecutionContext) => Promise<void>) => void;

function contentFacts(fact: Fact): void {
  fact('is empty at first', async (store, t) => {
    t.deepEqual(await store.list(), []);
    t.is(await store.read('timestamp.json'), undefined);
  });

  fact('gives back what was published', async (store, t) => {
    await store.publish(first(), NONE);
    t.deepEqual(await store.list(), ['1.root.json', '1.snapshot.json', 'root.json', 'timestamp.json']);
    t.deepEqual(await store.read('1.root.json'), Buffer.from('root 1'));
    t.deepEqual(await store.read('timestamp.json'), timestampOf(1));
  });

  fact('keeps names with folders, dots, dashes and percent signs, and bytes that are no text', async (store, t) => {
    const bytes = Buffer.from([0, 255, 254, 10, 13]);
    const name = `targets/upstream/sigstore.dev/${'a'.repeat(64)}.trusted_root.json`;
    await store.publish(
      new Map([
        [name, bytes],
        ['2.a%2Fb.json', bytes],
        ['targets/site-state/x.index.json', bytes],
        ['timestamp.json', timestampOf(1)],
      ]),
      NONE,
    );
    t.deepEqual(await store.list(), ['2.a%2Fb.json', 'targets/site-state/x.index.json', name, 'timestamp.json'].sort());
    t.deepEqual(await store.read(name), bytes);
    t.deepEqual(await store.read('2.a%2Fb.json'), bytes);
  });

  fact('keeps a file of 600 kB that does not compress', async (store, t) => {
    let seed = 1;
    const bytes = Buffer.from(
      Uint8Array.from({ length: 600_000 }, () => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648) % 251),
    );
    await store.publish(files({ 'targets/big': bytes, 'timestamp.json': timestampOf(1) }), NONE);
    t.is((await store.read('targets/big'))?.equals(bytes), true);
  });

  fact('replaces timestamp.json and root.json, and keeps the rest', async (store, t) => {
    await store.publish(first(), NONE);
    await store.publish(files({ '2.root.json': 'root 2', 'root.json': 'root 2', 'timestamp.json': timestampOf(2) }), {
      timestampVersion: 1,
    });
    t.deepEqual(await store.read('root.json'), Buffer.from('root 2'));
    t.deepEqual(await store.read('1.root.json'), Buffer.from('root 1'));
    t.deepEqual(await store.read('timestamp.json'), timestampOf(2));
  });

  fact('takes an immutable file again with the same bytes', async (store, t) => {
    await store.publish(first(), NONE);
    await store.publish(files({ '1.root.json': 'root 1', 'timestamp.json': timestampOf(2) }), { timestampVersion: 1 });
    t.deepEqual(await store.read('timestamp.json'), timestampOf(2));
  });
}

function removalFacts(fact: Fact): void {
  fact('takes away what is named, and nothing else', async (store, t) => {
    await store.publish(first(), NONE);
    await store.remove(['1.snapshot.json', 'targets/never-there']);
    t.deepEqual(await store.list(), ['1.root.json', 'root.json', 'timestamp.json']);
  });

  for (const name of ['timestamp.json', 'root.json', '1.root.json', '../x']) {
    fact(`never takes away ${name}`, async (store, t) => {
      await store.publish(first(), NONE);
      await t.throwsAsync(() => store.remove(['1.snapshot.json', name]), { code: 'NAME_INVALID' });
      t.is((await store.list()).length, 4);
    });
  }
}

function conflictFacts(fact: Fact): void {
  fact('refuses when another timestamp version is there, and changes nothing', async (store, t) => {
    await store.publish(first(), NONE);
    const late = files({ '2.snapshot.json': 'snapshot 2', 'timestamp.json': timestampOf(3) });
    await t.throwsAsync(() => store.publish(late, { timestampVersion: 2 }), { code: 'STORE_CONFLICT' });
    t.deepEqual(await store.read('timestamp.json'), timestampOf(1));
    t.is(await store.read('2.snapshot.json'), undefined);
  });

  fact('refuses a first state when there is one', async (store, t) => {
    await store.publish(first(), NONE);
    await t.throwsAsync(() => store.publish(first(), NONE), { code: 'STORE_CONFLICT' });
  });

  fact('refuses a later state when there is none', async (store, t) => {
    await t.throwsAsync(() => store.publish(first(), { timestampVersion: 1 }), { code: 'STORE_CONFLICT' });
    t.deepEqual(await store.list(), []);
  });

  fact('refuses other bytes for an immutable file, and leaves timestamp.json', async (store, t) => {
    await store.publish(first(), NONE);
    const other = files({ '1.root.json': 'another root', 'timestamp.json': timestampOf(2) });
    await t.throwsAsync(() => store.publish(other, { timestampVersion: 1 }), { code: 'STORE_CONFLICT' });
    t.deepEqual(await store.read('1.root.json'), Buffer.from('root 1'));
    t.deepEqual(await store.read('timestamp.json'), timestampOf(1));
  });

  fact('of two publishers from the same state, one wins', async (store, t) => {
    await store.publish(first(), NONE);
    const results = await Promise.allSettled([
      store.publish(files({ '2.snapshot.json': 'a', 'timestamp.json': timestampOf(2) }), { timestampVersion: 1 }),
      store.publish(files({ '2.snapshot.json': 'b', 'timestamp.json': timestampOf(2) }), { timestampVersion: 1 }),
    ]);
    t.deepEqual(results.map((result) => result.status).sort(), ['fulfilled', 'rejected']);
  });

  for (const name of ['../outside', '/absolute', 'a//b', 'targets/../../x', '.hidden', 'targets/.tmp', '', 'a\\b']) {
    fact(`refuses the name ${JSON.stringify(name)}`, async (store, t) => {
      await t.throwsAsync(() => store.publish(files({ [name]: 'x', 'timestamp.json': timestampOf(1) }), NONE), {
        code: 'NAME_INVALID',
      });
      t.is(await store.read('timestamp.json'), undefined);
    });
  }
}
