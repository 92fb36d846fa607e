import test from 'ava';
import { initialiseRepository } from '../../trust-root/initialise.ts';
import { statusOf } from '../../trust-root/refresh.ts';
import { DEFAULT_POLICY } from '../../trust-root/repository-policy.ts';
import { loadRepository } from '../../trust-root/repository-state.ts';
import { MemoryRepositoryStore } from '../../trust-root/repository-store-memory.ts';
import type { TufClient } from '../../trust-root/tuf-client.ts';
import { repositoryKeys, repositoryWorld, signer } from './world/repository-world.ts';

const DAY = 86_400_000;

async function read(client: TufClient, name: string): Promise<string | undefined> {
  const target = await client.findTarget(name);
  return target === undefined ? undefined : (await client.download(target)).toString();
}

for (const algorithm of ['p256', 'ed25519'] as const) {
  test(`a client follows a new ${algorithm} repository to its targets`, async (t) => {
    const world = await repositoryWorld({ algorithm, targets: { 'trusted_root.json': '{}' } });
    const client = world.client();
    await client.refresh();
    t.is(await read(client, 'trusted_root.json'), '{}');
    t.is(await read(client, 'other.json'), undefined);
  });
}

test('a client that knows the state before follows to the next one', async (t) => {
  const world = await repositoryWorld({ targets: { 'policies.json': 'one' } });
  const client = world.client();
  await client.refresh();
  await world.publish({ 'policies.json': 'two' });
  const next = world.client(client.trusted());
  await next.refresh();
  t.is(await read(next, 'policies.json'), 'two');
});

test('site state is published with online keys alone, and found through its delegation', async (t) => {
  const world = await repositoryWorld();
  await world.siteState({ 'site-state/evidence-index.json': '{"images":{}}' });
  const client = world.client();
  await client.refresh();
  t.is(await read(client, 'site-state/evidence-index.json'), '{"images":{}}');
  const target = await client.findTarget('site-state/evidence-index.json');
  t.is(target?.role, 'site-state');
});

test('unchanged site state is not signed again', async (t) => {
  const world = await repositoryWorld();
  await world.siteState({ 'site-state/a.json': 'a' });
  const before = await world.store.read('timestamp.json');
  await world.siteState({ 'site-state/a.json': 'a' });
  t.deepEqual(await world.store.read('timestamp.json'), before);
});

test('site state that is left out goes', async (t) => {
  const world = await repositoryWorld();
  await world.siteState({ 'site-state/a.json': 'a', 'site-state/b.json': 'b' });
  await world.siteState({ 'site-state/b.json': 'b' });
  const client = world.client();
  await client.refresh();
  t.is(await read(client, 'site-state/a.json'), undefined);
  t.is(await read(client, 'site-state/b.json'), 'b');
});

test('site state outside of its folder is refused', async (t) => {
  const world = await repositoryWorld();
  await t.throwsAsync(() => world.siteState({ 'site-state/x/y.json': 'a' }), { code: 'NAME_INVALID' });
  await t.throwsAsync(() => world.siteState({ 'trusted_root.json': 'a' }), { code: 'NAME_INVALID' });
});

test('a top-level target in the space of a delegation is refused', async (t) => {
  const world = await repositoryWorld();
  await t.throwsAsync(() => world.publish({ 'upstream/sigstore.dev/trusted_root.json': '{}' }), {
    code: 'NAME_INVALID',
  });
});

test('nothing is due right after a publication; the timestamp is a day later', async (t) => {
  const world = await repositoryWorld();
  t.false(await world.refresh());
  world.clock.advance(DAY);
  t.true(await world.refresh());
  const state = await loadRepository(world.store);
  t.is(state.timestamp.version, 2);
  t.is(state.snapshot.version, 1);
  t.deepEqual(state.timestamp.signedAt, world.clock.now());
});

test('a daily refresh keeps a client current for as long as the offline roles live', async (t) => {
  const world = await repositoryWorld({ targets: { 'a.json': 'a' } });
  const client = world.client();
  await client.refresh();
  let kept = client.trusted();
  for (let day = 0; day < 390; day += 5) {
    world.clock.advance(5 * DAY);
    await world.refresh();
    const next = world.client(kept);
    await next.refresh();
    kept = next.trusted();
  }
  t.is(kept.set.root.version, 1);
  t.true((kept.set.snapshot?.version ?? 0) > 7);
});

test('an expired upstream delegation does not stop the refresh, nor the client', async (t) => {
  const world = await repositoryWorld({ targets: { 'a.json': 'a' } });
  world.clock.advance(200 * DAY);
  await world.refresh();
  const client = world.client();
  await client.refresh();
  await client.loadAllRoles();
  t.is(await read(client, 'a.json'), 'a');
  t.deepEqual([...client.trusted().set.expired.keys()], ['upstream']);
});

test('status names each role, its days and its condition', async (t) => {
  const world = await repositoryWorld();
  world.clock.advance(2 * DAY);
  const rows = statusOf(await loadRepository(world.store), DEFAULT_POLICY, world.clock.now());
  t.deepEqual(
    rows.map(({ role, daysLeft, condition }) => [role, daysLeft, condition]),
    [
      ['timestamp', 5, 'due'],
      ['snapshot', 88, 'ok'],
      ['site-state', 88, 'ok'],
      ['upstream', 178, 'ok'],
      ['root', 398, 'ok'],
      ['targets', 398, 'ok'],
    ],
  );
});

test('signing with a clock before the last signed time is refused', async (t) => {
  const world = await repositoryWorld();
  world.clock.advance(-DAY);
  await t.throwsAsync(() => world.publish({ 'a.json': 'a' }), { code: 'CLOCK_BEFORE_FLOOR' });
});

test('too few signatures are not published', async (t) => {
  const world = await repositoryWorld();
  const before = world.store.snapshot();
  const few = { ...world.keys.targets, signers: world.keys.targets.signers.slice(0, 1) };
  Object.assign(world.keys, { targets: few });
  await t.throwsAsync(() => world.publish({ 'a.json': 'a' }), { code: 'SIGNATURES_BELOW_THRESHOLD' });
  t.deepEqual(world.store.snapshot(), before);
});

test('what a run that broke off left behind is stepped over', async (t) => {
  const world = await repositoryWorld();
  const state = await loadRepository(world.store);
  const orphan = new Map([
    ['2.snapshot.json', Buffer.from('left behind')],
    ['2.targets.json', Buffer.from('left behind')],
    ['timestamp.json', state.timestamp.bytes],
  ]);
  await world.store.publish(orphan, { timestampVersion: 1 });
  await world.publish({ 'a.json': 'a' });
  const client = world.client();
  await client.refresh();
  t.is(await read(client, 'a.json'), 'a');
  t.is(client.trusted().set.snapshot?.version, 3);
});

test('a repository is never made over another', async (t) => {
  const world = await repositoryWorld();
  const setup = { keys: repositoryKeys(), policy: DEFAULT_POLICY, clock: world.clock };
  await t.throwsAsync(() => initialiseRepository(world.store, setup), { code: 'REPOSITORY_EXISTS' });
});

const shared = signer();
const refusals = {
  'a threshold above the keys': (keys: ReturnType<typeof repositoryKeys>) => ({
    ...keys,
    root: { ...keys.root, threshold: 4 },
  }),
  'a threshold of zero': (keys: ReturnType<typeof repositoryKeys>) => ({
    ...keys,
    targets: { ...keys.targets, threshold: 0 },
  }),
  'one key in two roles': (keys: ReturnType<typeof repositoryKeys>) => ({
    ...keys,
    snapshot: shared,
    timestamp: shared,
  }),
  'one key twice in a role': (keys: ReturnType<typeof repositoryKeys>) => ({
    ...keys,
    root: { signers: [shared, shared], threshold: 2 },
  }),
};
for (const [title, change] of Object.entries(refusals)) {
  test(`${title} is refused`, async (t) => {
    const world = await repositoryWorld();
    const setup = { keys: change(repositoryKeys()), policy: DEFAULT_POLICY, clock: world.clock };
    await t.throwsAsync(() => initialiseRepository(new MemoryRepositoryStore(), setup), { code: 'AUTHORING_REFUSED' });
  });
}
