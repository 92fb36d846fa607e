import { chmod, cp, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import test, { type ExecutionContext } from 'ava';
import { currentGeneration, followRepository, pinRoot } from '../../trust-root/follow.ts';
import { type NodePaths, nodePaths, verifyGeneration } from '../../trust-root/generation.ts';
import type { RepositoryStore } from '../../trust-root/repository-store.ts';
import { MemoryRepositoryStore } from '../../trust-root/repository-store-memory.ts';
import { loadTrustDomain, trustDomainNames } from '../../trust-root/trust-domain.ts';
import { storeTransport } from '../../trust-root/tuf-transport.ts';
import { type RepositoryWorld, repositoryWorld } from './world/repository-world.ts';

const DAY = 86_400_000;

interface NodeWorld extends RepositoryWorld {
  readonly paths: NodePaths;
  follow(store?: RepositoryStore): Promise<string>;
}

async function nodeWorld(t: ExecutionContext): Promise<NodeWorld> {
  const world = await repositoryWorld({ targets: { 'trusted_root.json': '{"site":1}', 'policies.json': '{}' } });
  const base = await mkdtemp(path.join(tmpdir(), 'sealift-node-'));
  t.teardown(() => rm(base, { recursive: true, force: true }));
  const paths = nodePaths(base);
  await mkdir(paths.generations);
  await pinRoot(paths, world.root);
  const follow = async (store: RepositoryStore = world.store): Promise<string> => {
    const outcome = await followRepository({ paths, transport: storeTransport(store), clock: world.clock });
    return `${outcome.kind} ${outcome.generation.number}`;
  };
  return { ...world, paths, follow };
}

const current = (world: NodeWorld) => currentGeneration(world.paths, world.clock);

test('a node writes a complete generation and makes it current', async (t) => {
  const world = await nodeWorld(t);
  await world.siteState({ 'site-state/evidence-index.json': '{"images":{}}' });
  t.is(await world.follow(), 'updated 2');
  t.is(await readlink(world.paths.current), 'generations/000000000002');
  const generation = await current(world);
  t.deepEqual(generation.targetNames(), ['policies.json', 'site-state/evidence-index.json', 'trusted_root.json']);
  t.is((await generation.target('site-state/evidence-index.json')).toString(), '{"images":{}}');
  t.deepEqual(generation.signedAt, world.clock.now());
  t.deepEqual(generation.versions, { root: 1, timestamp: 2, snapshot: 2, targets: 1, upstream: 1, 'site-state': 2 });
});

test('nothing new leaves the generation alone', async (t) => {
  const world = await nodeWorld(t);
  await world.follow();
  t.is(await world.follow(), 'unchanged 1');
  t.deepEqual(await readdir(world.paths.generations), ['000000000001']);
});

test('the last three generations stay', async (t) => {
  const world = await nodeWorld(t);
  for (let day = 0; day < 5; day += 1) {
    await world.follow();
    world.clock.advance(DAY);
    await world.refresh();
  }
  t.is(await world.follow(), 'updated 6');
  t.deepEqual(await readdir(world.paths.generations), ['000000000004', '000000000005', '000000000006']);
});

test('a replayed older repository is refused, and the generation stays', async (t) => {
  const world = await nodeWorld(t);
  const older = new MemoryRepositoryStore(world.store.snapshot());
  await world.publish({ 'policies.json': '{"new":1}' });
  await world.follow();
  await t.throwsAsync(() => world.follow(older), { code: 'VERSION_ROLLBACK' });
  t.is((await current(world)).number, 2);
});

test('an older generation laid over the node is refused, and replaced at the next update', async (t) => {
  const world = await nodeWorld(t);
  await world.follow();
  const old = path.join(world.paths.base, 'kept-aside');
  await cp(path.join(world.paths.generations, '000000000001'), old, { recursive: true });
  await world.publish({ 'policies.json': '{"new":1}' });
  await world.follow();
  await rm(world.paths.current);
  await cp(old, path.join(world.paths.generations, '000000000001'), { recursive: true, force: true });
  await symlink('generations/000000000001', world.paths.current);
  await t.throwsAsync(() => current(world), { code: 'VERSION_ROLLBACK' });
  t.is(await world.follow(), 'updated 2');
  t.is((await current(world)).number, 2);
});

test('a generation of another site is refused', async (t) => {
  const world = await nodeWorld(t);
  const other = await nodeWorld(t);
  await other.follow();
  const folder = path.join(other.paths.generations, '000000000001');
  const options = { pinnedRoot: world.root, clock: world.clock };
  await t.throwsAsync(() => verifyGeneration(folder, options), { code: 'PINNED_ROOT_DIFFERS' });
});

for (const file of ['timestamp.json', '1.snapshot.json', '1.targets.json', '1.site-state.json', '1.upstream.json']) {
  test(`a generation with a byte flipped in ${file} is refused, and made whole at the next update`, async (t) => {
    const world = await nodeWorld(t);
    await world.follow();
    const name = path.join(world.paths.generations, '000000000001', 'metadata', file);
    const text = await readFile(name, 'utf8');
    await writeFile(name, text.replace('"version": 1', '"version": 2'));
    await t.throwsAsync(() => current(world));
    t.is(await world.follow(), 'updated 1');
    t.is((await current(world)).number, 1);
  });
}

test('a torn target is refused when read, and made whole at the next update', async (t) => {
  const world = await nodeWorld(t);
  await world.follow();
  const folder = path.join(world.paths.generations, '000000000001', 'targets');
  for (const name of await readdir(folder)) await writeFile(path.join(folder, name), '{');
  const generation = await current(world);
  await t.throwsAsync(() => generation.target('trusted_root.json'), { code: 'LENGTH_MISMATCH' });
  t.is(await world.follow(), 'updated 1');
  t.is((await (await current(world)).target('trusted_root.json')).toString(), '{"site":1}');
});

test('what a crash left behind is cleared away', async (t) => {
  const world = await nodeWorld(t);
  await mkdir(path.join(world.paths.generations, '.tmp-left', 'metadata'), { recursive: true });
  await world.follow();
  t.deepEqual(await readdir(world.paths.generations), ['000000000001']);
});

test('a crash after the folder was renamed, before the link: the next update makes one current', async (t) => {
  const world = await nodeWorld(t);
  await world.follow();
  await rm(world.paths.current);
  await rm(world.paths.floor);
  t.is(await world.follow(), 'updated 1');
  t.is((await current(world)).number, 1);
});

test('a crash between the link and the floor: the generation itself counts as the floor', async (t) => {
  const world = await nodeWorld(t);
  await world.follow();
  const floor = await readFile(world.paths.floor);
  const older = new MemoryRepositoryStore(world.store.snapshot());
  await world.publish({ 'policies.json': '{"new":1}' });
  await world.follow();
  await writeFile(world.paths.floor, floor);
  await t.throwsAsync(() => world.follow(older), { code: 'VERSION_ROLLBACK' });
});

test('with the generations gone, the floor still refuses older trust', async (t) => {
  const world = await nodeWorld(t);
  const older = new MemoryRepositoryStore(world.store.snapshot());
  await world.publish({ 'policies.json': '{"new":1}' });
  await world.follow();
  await rm(world.paths.generations, { recursive: true });
  await mkdir(world.paths.generations);
  await rm(world.paths.current);
  await t.throwsAsync(() => world.follow(older), { code: 'VERSION_ROLLBACK' });
  t.is(await world.follow(), 'updated 2');
});

test('a torn floor is refused by name', async (t) => {
  const world = await nodeWorld(t);
  await world.follow();
  await writeFile(world.paths.floor, '{"schemaVersion":1,"roots":[');
  await t.throwsAsync(() => world.follow(), { code: 'FLOOR_INVALID' });
});

test('a clock set back before the last signed time is refused', async (t) => {
  const world = await nodeWorld(t);
  world.clock.advance(3 * DAY);
  await world.refresh();
  await world.follow();
  world.clock.advance(-2 * DAY);
  await t.throwsAsync(() => current(world), { code: 'CLOCK_BEFORE_FLOOR' });
  await t.throwsAsync(() => world.follow(), { code: 'CLOCK_BEFORE_FLOOR' });
  world.clock.advance(2 * DAY - 4 * 60_000);
  t.is((await current(world)).number, 2);
});

test('an expired timestamp is refused, and taken for as long as a policy names', async (t) => {
  const world = await nodeWorld(t);
  await world.follow();
  world.clock.advance(8 * DAY);
  await t.throwsAsync(() => current(world), { code: 'ROLE_EXPIRED' });
  t.is((await currentGeneration(world.paths, world.clock, 30 * DAY)).number, 1);
  world.clock.advance(30 * DAY);
  await t.throwsAsync(() => currentGeneration(world.paths, world.clock, 30 * DAY), { code: 'ROLE_EXPIRED' });
});

test('a node asleep past the expiry follows again once the repository is fresh', async (t) => {
  const world = await nodeWorld(t);
  await world.follow();
  world.clock.advance(170 * DAY);
  await t.throwsAsync(() => world.follow(), { code: 'ROLE_EXPIRED' });
  await world.refresh();
  t.is(await world.follow(), 'updated 2');
});

test('a node that cannot write keeps its generation', async (t) => {
  if (process.getuid?.() === 0) {
    t.pass('root may write everywhere');
    return;
  }
  const world = await nodeWorld(t);
  await world.follow();
  await world.publish({ 'policies.json': '{"new":1}' });
  await chmod(world.paths.generations, 0o500);
  await t.throwsAsync(() => world.follow(), { code: 'STORE_FAILED' });
  await chmod(world.paths.generations, 0o700);
  t.is((await current(world)).number, 1);
});

test('a node is given its root once', async (t) => {
  const world = await nodeWorld(t);
  await pinRoot(world.paths, world.root);
  const other = await repositoryWorld();
  await t.throwsAsync(() => pinRoot(world.paths, other.root), { code: 'PINNED_ROOT_DIFFERS' });
});

test("a generation's trust domains are the site's and the upstream ones", async (t) => {
  const world = await nodeWorld(t);
  await world.follow();
  const generation = await current(world);
  t.deepEqual(trustDomainNames(generation), ['site']);
  t.is((await loadTrustDomain(generation, 'site')).trustedRoot.toString(), '{"site":1}');
  await t.throwsAsync(() => loadTrustDomain(generation, 'sigstore.dev'), { code: 'TARGET_UNKNOWN' });
  await t.throwsAsync(() => loadTrustDomain(generation, '../x'), { code: 'NAME_INVALID' });
});
