import test from 'ava';

import { pruneRepository } from '../../trust-root/prune.ts';
import { loadRepository } from '../../trust-root/repository-state.ts';
import { TufClient } from '../../trust-root/tuf-client.ts';
import { storeTransport } from '../../trust-root/tuf-transport.ts';
import { repositoryWorld } from './world/repository-world.ts';

test('three states of each role stay, with their targets, and every root', async (t) => {
  const world = await repositoryWorld();
  for (let number = 1; number <= 8; number += 1) await world.siteState({ 'site-state/index.json': `index ${number}` });
  await pruneRepository(world.store, await loadRepository(world.store));
  const names = await world.store.list();
  t.deepEqual(
    names.map((name) => name.replace(/[0-9a-f]{64}/, 'HASH')),
    [
      '1.root.json',
      '1.targets.json',
      '1.upstream.json',
      '7.site-state.json',
      '7.snapshot.json',
      '8.site-state.json',
      '8.snapshot.json',
      '9.site-state.json',
      '9.snapshot.json',
      'root.json',
      'targets/site-state/HASH.index.json',
      'targets/site-state/HASH.index.json',
      'targets/site-state/HASH.index.json',
      'timestamp.json',
    ],
  );
  const client = world.client();
  await client.refresh();
  const target = await client.findTarget('site-state/index.json');
  t.is(target === undefined ? '' : (await client.download(target)).toString(), 'index 8');
});

test('a client that read the timestamp before can still finish its update', async (t) => {
  const world = await repositoryWorld();
  await world.siteState({ 'site-state/index.json': 'old' });
  const timestamp = (await world.store.read('timestamp.json')) ?? Buffer.alloc(0);
  await world.siteState({ 'site-state/index.json': 'new' });
  await world.siteState({ 'site-state/index.json': 'newer' });
  await pruneRepository(world.store, await loadRepository(world.store));
  const live = storeTransport(world.store);
  const transport = {
    fetch: async (file: Parameters<typeof live.fetch>[0]) =>
      file.path === 'timestamp.json' ? timestamp : live.fetch(file),
  };
  const client = new TufClient({ transport, clock: world.clock, kept: { roots: [world.root] }, strictKeyIds: true });
  await client.refresh();
  const target = await client.findTarget('site-state/index.json');
  t.is(target === undefined ? '' : (await client.download(target)).toString(), 'old');
});

test('what a publisher is just putting in is left alone', async (t) => {
  const world = await repositoryWorld();
  await world.siteState({ 'site-state/index.json': 'a' });
  const before = await loadRepository(world.store);
  const inFlight = new Map([
    ['9.snapshot.json', Buffer.from('{}')],
    ['timestamp.json', before.timestamp.bytes],
  ]);
  await world.store.publish(inFlight, { timestampVersion: before.timestamp.version });
  t.deepEqual(await pruneRepository(world.store, await loadRepository(world.store)), []);
});
