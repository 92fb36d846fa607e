import test from 'ava';
import { publishingOrder } from '../../trust-root/repository-store.ts';
import { MemoryRepositoryStore } from '../../trust-root/repository-store-memory.ts';
import { TufClient } from '../../trust-root/tuf-client.ts';
import { storeTransport } from '../../trust-root/tuf-transport.ts';
import { repositoryKeys, repositoryWorld } from './world/repository-world.ts';

const ROLES = ['root', 'targets', 'snapshot', 'timestamp', 'upstream', 'siteState'] as const;

for (const role of ROLES) {
  test(`after ${role} has new keys, a client of the old state and a new one both follow`, async (t) => {
    const world = await repositoryWorld({ targets: { 'a.json': 'a' } });
    const old = world.client();
    await old.refresh();
    const fresh = repositoryKeys();
    await world.rotate({ [role]: fresh[role] });
    await world.publish({ 'a.json': 'b' });
    await world.siteState({ 'site-state/x.json': 'x' });
    for (const client of [world.client(old.trusted()), world.client()]) {
      await client.refresh();
      await client.loadAllRoles();
      t.deepEqual(
        client
          .trusted()
          .set.allTargets()
          .map(({ name }) => name),
        ['a.json', 'site-state/x.json'],
      );
    }
  });

  test(`a client that reads while ${role} gets new keys sees a whole state after each file`, async (t) => {
    const world = await repositoryWorld({ targets: { 'a.json': 'a' } });
    const kept = world.client();
    await kept.refresh();
    const visible = new Map(world.store.snapshot());
    const publish = world.store.publish.bind(world.store);
    let reads = 0;
    // Each file becomes visible by itself, as on a disk or in an API server; clients read between any two.
    world.store.publish = async (files, expected) => {
      for (const name of publishingOrder(files.keys())) {
        visible.set(name, files.get(name) ?? Buffer.alloc(0));
        for (const known of [kept.trusted(), { roots: [world.root] }]) {
          const transport = storeTransport(new MemoryRepositoryStore(visible));
          const client = new TufClient({ transport, clock: world.clock, kept: known, strictKeyIds: true });
          await t.notThrowsAsync(() => client.refresh(), `after ${name}`);
          await t.notThrowsAsync(() => client.loadAllRoles(), `after ${name}`);
          reads += 1;
        }
      }
      await publish(files, expected);
    };
    const fresh = repositoryKeys();
    await world.rotate({ [role]: fresh[role] });
    t.true(reads >= 4);
  });
}

test('metadata signed with rotated keys alone is refused afterwards', async (t) => {
  const world = await repositoryWorld();
  const stolen = { snapshot: world.keys.snapshot, timestamp: world.keys.timestamp };
  const fresh = repositoryKeys();
  await world.rotate({ snapshot: fresh.snapshot, timestamp: fresh.timestamp });
  const client = world.client();
  await client.refresh();
  Object.assign(world.context, { online: stolen });
  await t.throwsAsync(() => world.publish({ 'a.json': 'stolen' }), { code: 'SIGNATURES_BELOW_THRESHOLD' });
});
