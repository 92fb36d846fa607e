import test, { type ExecutionContext } from 'ava';

import type { TrustRootErrorCode } from '../../trust-root/trust-root-error.ts';
import type { TufClient } from '../../trust-root/tuf-client.ts';
import { newKey, sign, TufSimulator } from './world/tuf-simulator.ts';

const DAY = 86_400_000;

async function content(client: TufClient, name: string): Promise<string | undefined> {
  const target = await client.findTarget(name);
  return target === undefined ? undefined : (await client.download(target)).toString();
}

/** A clause of the specification: what is bent, and the code that refuses it. The unbent repository is followed. */
interface Clause {
  readonly code: TrustRootErrorCode;
  /** Bends a repository that a client has followed once. */
  readonly bend: (world: TufSimulator) => void;
  /** Starts a client anew instead of from what it has kept. */
  readonly fresh?: boolean;
}

async function refuses(t: ExecutionContext, { code, bend, fresh }: Clause): Promise<void> {
  const world = new TufSimulator();
  world.addTarget('a.json', 'a');
  world.bump('targets');
  world.bump('targets');
  const first = await world.followed();
  const kept = fresh === true ? { roots: [world.rootBytes(1)] } : first.trusted();
  const before = first.trusted();
  bend(world);
  const client = world.client(kept);
  await t.throwsAsync(() => client.refresh(), { code });
  // What a client trusted stays as it was.
  t.deepEqual(before.timestamp, first.trusted().timestamp);
}

const clauses: Record<string, Clause> = {
  '5.2: a trusted root that its own keys did not sign': {
    code: 'SIGNATURES_BELOW_THRESHOLD',
    fresh: true,
    bend: (world) => {
      world.root.roles['root'] = { keyids: [newKey().keyId], threshold: 1 };
      const bytes = sign(world.root, []);
      world.rootBytes = () => bytes;
      world.overrides.set('1.root.json', bytes);
      world.bumpRoot([]);
    },
  },
  '5.3.3: a chain of more than 256 new roots': {
    code: 'ROOT_CHAIN_TOO_LONG',
    bend: (world) => {
      for (let count = 0; count < 257; count += 1) world.bumpRoot();
    },
  },
  '5.3.4: a new root without the old keys': {
    code: 'SIGNATURES_BELOW_THRESHOLD',
    bend: (world) => {
      world.signers.set('root', [newKey()]);
      world.nameKeys('root');
      world.bumpRoot();
    },
  },
  '5.3.4: a new root without its own keys': {
    code: 'SIGNATURES_BELOW_THRESHOLD',
    bend: (world) => {
      const old = world.signers.get('root') ?? [];
      world.signers.set('root', [newKey()]);
      world.nameKeys('root');
      world.bumpRoot(old);
    },
  },
  '5.3.4: a new root below its own threshold': {
    code: 'SIGNATURES_BELOW_THRESHOLD',
    bend: (world) => {
      const [old] = world.signers.get('root') ?? [];
      world.signers.set('root', [...(world.signers.get('root') ?? []), newKey()]);
      world.nameKeys('root', 2);
      world.bumpRoot(old === undefined ? [] : [old]);
    },
  },
  '5.3.5: a root of the same version': {
    code: 'VERSION_MISMATCH',
    bend: (world) => world.overrides.set('2.root.json', world.rootBytes(1)),
  },
  '5.3.5: a root that skips a version': {
    code: 'VERSION_MISMATCH',
    bend: (world) => {
      world.root.version = 3;
      world.overrides.set('2.root.json', sign(world.root, world.signers.get('root') ?? []));
    },
  },
  '5.3.10: a final root that has expired': {
    code: 'ROLE_EXPIRED',
    bend: (world) => {
      world.root.expires = world.inDays(-1);
      world.bumpRoot();
    },
  },
  '5.4.1: no timestamp': {
    code: 'METADATA_MISSING',
    bend: (world) => {
      const fetch = world.document.bind(world);
      world.document = (name) => (name === 'timestamp.json' ? undefined : fetch(name));
    },
  },
  '5.4.2: a timestamp by another key': {
    code: 'SIGNATURES_BELOW_THRESHOLD',
    bend: (world) => world.signers.set('timestamp', [newKey()]),
  },
  '5.4.3: an older timestamp': {
    code: 'VERSION_ROLLBACK',
    bend: (world) => {
      world.timestamp.version = 2;
    },
  },
  '5.4.3: a timestamp that leads to an older snapshot': {
    code: 'VERSION_ROLLBACK',
    bend: (world) => {
      world.timestamp.version += 1;
      world.timestamp.meta['snapshot.json'] = { version: 2 };
      world.snapshot.version = 2;
    },
  },
  '5.4.4: an expired timestamp': {
    code: 'ROLE_EXPIRED',
    bend: (world) => {
      world.bump();
      world.timestamp.expires = world.inDays(-1);
    },
  },
  '5.4.4: a timestamp that expires this very second': {
    code: 'ROLE_EXPIRED',
    bend: (world) => {
      world.bump();
      world.timestamp.expires = world.inDays(0);
    },
  },
  '5.5.1: no snapshot of that version': {
    code: 'METADATA_MISSING',
    bend: (world) => {
      world.bump();
      const fetch = world.document.bind(world);
      world.document = (name) => (name === '4.snapshot.json' ? undefined : fetch(name));
    },
  },
  '5.5.2: a snapshot with another hash': {
    code: 'HASH_MISMATCH',
    bend: (world) => {
      world.bump();
      world.timestamp.meta['snapshot.json'] = { version: 4, hashes: { sha256: '00'.repeat(32) } };
    },
  },
  '5.5.2: a snapshot with a hash of an unknown kind': {
    code: 'HASH_MISMATCH',
    bend: (world) => {
      world.bump();
      world.timestamp.meta['snapshot.json'] = { version: 4, hashes: { md5: '00'.repeat(16) } };
    },
  },
  '5.5.2: a snapshot of another length': {
    code: 'LENGTH_MISMATCH',
    bend: (world) => {
      world.bump();
      world.timestamp.meta['snapshot.json'] = { version: 4, length: 100_000 };
    },
  },
  '5.5.3: a snapshot by another key': {
    code: 'SIGNATURES_BELOW_THRESHOLD',
    bend: (world) => {
      world.bump();
      world.signers.set('snapshot', [newKey()]);
    },
  },
  '5.5.4: a snapshot of another version than the timestamp says': {
    code: 'VERSION_MISMATCH',
    bend: (world) => {
      world.bump();
      world.snapshot.version = 7;
    },
  },
  '5.5.5: a snapshot with an older role': {
    code: 'VERSION_ROLLBACK',
    bend: (world) => {
      world.bump();
      world.snapshot.meta['targets.json'] = { version: 2 };
      world.role('targets').version = 2;
    },
  },
  '5.5.5: a snapshot that has lost a role': {
    code: 'METADATA_MISSING',
    bend: (world) => {
      world.bump();
      world.snapshot.meta = {};
    },
  },
  '5.5.6: an expired snapshot': {
    code: 'ROLE_EXPIRED',
    bend: (world) => {
      world.bump();
      world.snapshot.expires = world.inDays(-1);
    },
  },
  '5.6.2: targets with another hash': {
    code: 'HASH_MISMATCH',
    bend: (world) => {
      world.bump('targets');
      world.snapshot.meta['targets.json'] = { version: 4, hashes: { sha256: '00'.repeat(32) } };
    },
  },
  '5.6.3: targets by another key': {
    code: 'SIGNATURES_BELOW_THRESHOLD',
    bend: (world) => {
      world.bump('targets');
      world.signers.set('targets', [newKey()]);
    },
  },
  '5.6.4: targets of another version than the snapshot says': {
    code: 'VERSION_MISMATCH',
    bend: (world) => {
      world.bump('targets');
      world.role('targets').version = 9;
    },
  },
  '5.6.5: expired targets': {
    code: 'ROLE_EXPIRED',
    bend: (world) => {
      world.bump('targets');
      world.role('targets').expires = world.inDays(-1);
    },
  },
  '4.3: a threshold of zero': {
    code: 'METADATA_INVALID',
    bend: (world) => {
      world.nameKeys('timestamp', 0);
      world.bumpRoot();
    },
  },
  '4.3: a threshold that is no whole number': {
    code: 'METADATA_INVALID',
    bend: (world) => {
      world.nameKeys('timestamp', 0.5);
      // Canonical JSON has no fractions; nothing could be signed, so bytes are put in place.
      world.overrides.set(
        '2.root.json',
        Buffer.from(JSON.stringify({ signed: { ...world.root, version: 2 }, signatures: [] })),
      );
    },
  },
  '4.2: a key id that is not the hash of its key': {
    code: 'KEY_ID_WRONG',
    bend: (world) => {
      const key = newKey();
      world.root.keys['my-key'] = key.key;
      world.root.roles['timestamp'] = { keyids: ['my-key'], threshold: 1 };
      world.bumpRoot();
    },
  },
};

for (const [title, clause] of Object.entries(clauses)) {
  test(`refused, ${title}`, (t) => refuses(t, clause));
}

test('5.3.9: a client follows many roots, however old they are, to one that has not expired', async (t) => {
  const world = new TufSimulator();
  const fresh = world.root.expires;
  for (const role of ['root', 'timestamp', 'root', 'snapshot', 'targets', 'root']) {
    world.root.expires = world.inDays(-100);
    world.rotate(role);
  }
  world.root.expires = fresh;
  world.bumpRoot();
  const client = await world.followed();
  t.is(client.trusted().set.root.version, 8);
  t.is(client.trusted().roots.length, 8);
});

test('5.3.11: after the online keys were stolen and versions fast-forwarded, a new root brings a client back', async (t) => {
  const world = new TufSimulator();
  world.bump();
  const first = await world.followed();
  world.timestamp.version = Number.MAX_SAFE_INTEGER;
  world.snapshot.version = 1_000_000;
  world.timestamp.meta['snapshot.json'] = { version: 1_000_000 };
  world.snapshot.meta['targets.json'] = { version: 1 };
  const hijacked = await world.followed(first.trusted());
  t.is(hijacked.trusted().set.timestamp?.version, Number.MAX_SAFE_INTEGER);
  world.rotate('timestamp');
  world.rotate('snapshot');
  world.timestamp.version = 3;
  world.snapshot.version = 3;
  world.timestamp.meta['snapshot.json'] = { version: 3 };
  const recovered = await world.followed(hijacked.trusted());
  t.is(recovered.trusted().set.timestamp?.version, 3);
});

test('a threshold of two is met by two keys, and not by one under two ids', async (t) => {
  const world = new TufSimulator();
  const [only] = world.signers.get('timestamp') ?? [];
  const other = newKey();
  if (only === undefined) return;
  const alias = { ...only, keyId: 'an-alias' };
  world.root.keys['an-alias'] = { ...only.key, comment: 'the same key' };
  world.root.roles['timestamp'] = { keyids: [only.keyId, 'an-alias'], threshold: 2 };
  world.bumpRoot();
  world.signers.set('timestamp', [only, alias]);
  const kept = { roots: [world.rootBytes(1)] };
  await t.throwsAsync(() => world.client(kept, { strictKeyIds: false }).refresh(), {
    code: 'SIGNATURES_BELOW_THRESHOLD',
  });
  world.signers.set('timestamp', [only, other]);
  world.nameKeys('timestamp', 2);
  world.bumpRoot();
  await t.notThrowsAsync(() => world.followed());
});

test('signatures by keys that nobody named are left alone', async (t) => {
  const world = new TufSimulator();
  world.signers.set('timestamp', [newKey(), ...(world.signers.get('timestamp') ?? []), newKey()]);
  await t.notThrowsAsync(() => world.followed());
});

test('an unchanged repository costs two requests', async (t) => {
  const world = new TufSimulator();
  const first = await world.followed();
  world.fetched.length = 0;
  await world.followed(first.trusted());
  t.deepEqual(world.fetched, ['2.root.json', 'timestamp.json']);
});

test('without consistent snapshots, names have no version and no hash', async (t) => {
  const world = new TufSimulator();
  world.root.consistent_snapshot = false;
  world.bumpRoot();
  world.addTarget('a.json', 'a');
  const client = await world.followed();
  t.is(await content(client, 'a.json'), 'a');
  t.deepEqual(world.fetched, [
    '2.root.json',
    '3.root.json',
    'timestamp.json',
    'snapshot.json',
    'targets.json',
    'a.json',
  ]);
});

test('a client reads the time once for a whole update', async (t) => {
  const world = new TufSimulator();
  let reads = 0;
  const clock = { now: () => new Date(world.clock.now().getTime() + (reads += 1) * 0) };
  await world.client(undefined, { clock }).refresh();
  t.is(reads, 1);
});

// Targets (5.7)

test('5.7.2: a target with other bytes is refused', async (t) => {
  const world = new TufSimulator();
  world.addTarget('a.json', 'a');
  const client = await world.followed();
  for (const name of world.files.keys()) world.files.set(name, Buffer.from('b'));
  await t.throwsAsync(() => content(client, 'a.json'), { code: 'HASH_MISMATCH' });
});

test('5.7.2: a target that is cut short is refused', async (t) => {
  const world = new TufSimulator();
  world.addTarget('a.json', 'abc');
  const client = await world.followed();
  for (const name of world.files.keys()) world.files.set(name, Buffer.from('ab'));
  await t.throwsAsync(() => content(client, 'a.json'), { code: 'LENGTH_MISMATCH' });
});

test('a target that is said to be larger than a client takes is not asked for', async (t) => {
  const world = new TufSimulator();
  world.addTarget('a.json', 'a');
  world.role('targets').targets['a.json'] = { length: 2 ** 40, hashes: { sha256: '00'.repeat(32) } };
  const client = await world.followed();
  await t.throwsAsync(() => content(client, 'a.json'), { code: 'LENGTH_MISMATCH' });
  t.false(world.fetched.some((name) => name.includes('a.json')));
});

// Delegations (5.6.7)

test('5.6.7: the first delegation in order wins', async (t) => {
  const world = new TufSimulator();
  world.delegate('targets', 'one');
  world.delegate('targets', 'two');
  world.addTarget('x', 'from two', 'two');
  const client = await world.followed();
  t.is(await content(client, 'x'), 'from two');
  world.addTarget('x', 'from one', 'one');
  t.is(await content(await world.followed(), 'x'), 'from one');
  world.addTarget('x', 'from the top');
  t.is(await content(await world.followed(), 'x'), 'from the top');
});

test('5.6.7: behind a terminating delegation nothing is searched, even when it has nothing', async (t) => {
  const world = new TufSimulator();
  world.delegate('targets', 'one', { terminating: true });
  world.delegate('targets', 'two');
  world.addTarget('x', 'from two', 'two');
  t.is(await content(await world.followed(), 'x'), undefined);
  t.false(world.fetched.includes('1.two.json'));
});

test('5.6.7: a terminating delegation that does not cover a target ends nothing', async (t) => {
  const world = new TufSimulator();
  world.delegate('targets', 'one', { terminating: true, paths: ['upstream/*/*'] });
  world.delegate('targets', 'two');
  world.addTarget('x', 'from two', 'two');
  t.is(await content(await world.followed(), 'x'), 'from two');
});

test('a role speaks for nothing outside of its delegation', async (t) => {
  const world = new TufSimulator();
  world.delegate('targets', 'site-state', { paths: ['site-state/*'] });
  world.addTarget('trusted_root.json', 'forged', 'site-state');
  world.addTarget('site-state/index.json', 'index', 'site-state');
  world.addTarget('site-state/deeper/index.json', 'forged', 'site-state');
  const client = await world.followed();
  t.is(await content(client, 'trusted_root.json'), undefined);
  t.is(await content(client, 'site-state/deeper/index.json'), undefined);
  t.is(await content(client, 'site-state/index.json'), 'index');
});

test('delegations that lead in a circle end', async (t) => {
  const world = new TufSimulator();
  world.delegate('targets', 'one');
  world.delegate('one', 'two');
  world.delegate('two', 'one');
  t.is(await content(await world.followed(), 'x'), undefined);
});

test('a search visits 32 roles at most', async (t) => {
  const world = new TufSimulator();
  let from = 'targets';
  for (let number = 0; number < 40; number += 1) {
    world.delegate(from, `role-${number}`);
    from = `role-${number}`;
  }
  const client = await world.followed();
  await t.throwsAsync(() => content(client, 'x'), { code: 'DELEGATIONS_TOO_MANY' });
});

test('a role that two delegate to must be signed for each of them', async (t) => {
  const world = new TufSimulator();
  world.delegate('targets', 'one', { paths: ['a'] });
  world.delegate('targets', 'two', { paths: ['b'] });
  world.delegate('one', 'shared', { paths: ['a'] });
  world.delegate('two', 'shared', { paths: ['b'] });
  const two = world.role('two').delegations?.roles?.[0];
  if (two !== undefined) two.keyids = [newKey().keyId];
  world.addTarget('a', 'a', 'shared');
  world.addTarget('b', 'b', 'shared');
  const client = await world.followed();
  t.is(await content(client, 'a'), 'a');
  await t.throwsAsync(() => content(client, 'b'), { code: 'SIGNATURES_BELOW_THRESHOLD' });
});

test('a delegation can go by the hash of the path', async (t) => {
  const world = new TufSimulator();
  // sha256("x") = 2d71…
  world.delegate('targets', 'bin', { path_hash_prefixes: ['2d7'] });
  world.addTarget('x', 'x', 'bin');
  world.addTarget('y', 'y', 'bin');
  const client = await world.followed();
  t.is(await content(client, 'x'), 'x');
  t.is(await content(client, 'y'), undefined);
});

test('a role may have any name; it is one segment of a URL', async (t) => {
  const world = new TufSimulator();
  world.delegate('targets', '../../etc/passwd');
  world.addTarget('x', 'x', '../../etc/passwd');
  t.is(await content(await world.followed(), 'x'), 'x');
});

// Clock and floor

test('a timestamp signed ahead of the clock is refused, so that it never becomes the floor', async (t) => {
  const world = new TufSimulator();
  Object.assign(world.timestamp, { 'x-sealift-signed-at': world.inDays(1) });
  await t.throwsAsync(() => world.followed(), { code: 'CLOCK_BEFORE_FLOOR' });
});

test('a clock before the floor is refused; five minutes are forgiven', async (t) => {
  const world = new TufSimulator();
  const now = world.clock.now().getTime();
  const kept = { roots: [world.rootBytes(1)], timeFloor: new Date(now + 4 * 60_000) };
  await t.notThrowsAsync(() => world.client(kept).refresh());
  await t.throwsAsync(() => world.client({ ...kept, timeFloor: new Date(now + DAY) }).refresh(), {
    code: 'CLOCK_BEFORE_FLOOR',
  });
});

test('a new timestamp key takes the old floor along', async (t) => {
  const world = new TufSimulator();
  const first = await world.followed();
  const kept = { ...first.trusted(), timeFloor: new Date(world.clock.now().getTime() + 30 * DAY) };
  await t.throwsAsync(() => world.followed(kept), { code: 'CLOCK_BEFORE_FLOOR' });
  world.rotate('timestamp');
  await t.notThrowsAsync(() => world.followed(kept));
});
