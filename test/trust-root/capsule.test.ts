import test, { type ExecutionContext } from 'ava';

import { type AdjustableClock, clockAt } from '../../appliance/kernel/clock.ts';
import { type CapsuleExpectation, captureUpstream, verifyCapsule } from '../../trust-root/capsule.ts';
import { loadRepository } from '../../trust-root/repository-state.ts';
import { MemoryRepositoryStore } from '../../trust-root/repository-store-memory.ts';
import { storeTransport } from '../../trust-root/tuf-transport.ts';
import { publishUpstream } from '../../trust-root/upstream.ts';
import { ForeignRepository } from './world/foreign-repository.ts';
import { repositoryWorld, START } from './world/repository-world.ts';

const DAY = 86_400_000;
const DOMAIN = 'sigstore.dev';

interface UpstreamWorld {
  readonly upstream: ForeignRepository;
  readonly clock: AdjustableClock;
  readonly root: Buffer;
  capture(domain?: string): Promise<Buffer>;
  expecting(change?: Partial<CapsuleExpectation>): CapsuleExpectation;
}

async function upstreamWorld(
  shape: { ownKeyIds?: boolean; targets?: Record<string, string> } = {},
): Promise<UpstreamWorld> {
  const targets = shape.targets ?? {
    'trusted_root.json': '{"tlogs":[]}',
    'signing_config.v0.2.json': '{}',
    'other.json': 'x',
  };
  const upstream = new ForeignRepository({
    targets,
    now: START,
    ...(shape.ownKeyIds === true ? { ownKeyIds: true } : {}),
  });
  await upstream.publish(START);
  const clock = clockAt(START);
  clock.advance(3600_000);
  const root = await upstream.firstRoot();
  return {
    upstream,
    clock,
    root,
    capture: (domain = DOMAIN) => captureUpstream({ domain, transport: storeTransport(upstream.store), root, clock }),
    expecting: (change = {}) => ({ domain: DOMAIN, asOf: clock.now(), pinnedRoot: root, clock, ...change }),
  };
}

for (const [shape, options] of [
  ["public-good's", {}],
  [
    "GitHub's (key ids of its own, TSA only)",
    { ownKeyIds: true, targets: { 'trusted_root.json': '{"timestampAuthorities":[]}' } },
  ],
] as const) {
  test(`a repository shaped like ${shape} is captured, and checked years later as of its capture`, async (t) => {
    const world = await upstreamWorld(options);
    const capsule = await world.capture();
    const expecting = world.expecting();
    world.clock.advance(1000 * DAY);
    const verified = await verifyCapsule(capsule, expecting);
    t.deepEqual(verified.versions, { root: 1, timestamp: 1, snapshot: 1, targets: 1 });
    t.truthy(verified.targets.get('trusted_root.json'));
    t.is(verified.targets.has('other.json'), false);
  });
}

test('the capsule keeps the whole root chain', async (t) => {
  const world = await upstreamWorld();
  await world.upstream.rotateRoot(START);
  await world.upstream.rotateRoot(START);
  await world.upstream.publish(START);
  const verified = await verifyCapsule(await world.capture(), world.expecting());
  t.is(verified.versions.root, 3);
});

test('capturing the same state at the same time gives the same bytes', async (t) => {
  const world = await upstreamWorld();
  t.deepEqual(await world.capture(), await world.capture());
});

test('an upstream that has expired is not captured', async (t) => {
  const world = await upstreamWorld();
  world.clock.advance(8 * DAY);
  await t.throwsAsync(() => world.capture(), { code: 'ROLE_EXPIRED' });
});

test('an upstream without a trusted root is not captured', async (t) => {
  const world = await upstreamWorld({ targets: { 'other.json': 'x' } });
  await t.throwsAsync(() => world.capture(), { code: 'TARGET_UNKNOWN' });
});

type Change = (world: UpstreamWorld) => Partial<CapsuleExpectation>;
const refusals: Record<string, [code: string, change: Change]> = {
  'a capture time after now': [
    'CAPSULE_TIME',
    ({ clock }) => ({ clock: clockAt(new Date(clock.now().getTime() - 1000)) }),
  ],
  'another time than the inventory says': [
    'CAPSULE_TIME',
    ({ clock }) => ({ asOf: new Date(clock.now().getTime() - 1000) }),
  ],
  'another domain': ['CAPSULE_INVALID', () => ({ domain: 'github.com' })],
  'another pinned root': ['CAPSULE_INVALID', ({ root }) => ({ pinnedRoot: Buffer.concat([root, Buffer.from(' ')]) })],
};
for (const [title, [code, change]] of Object.entries(refusals)) {
  test(`a capsule with ${title} is refused`, async (t) => {
    const world = await upstreamWorld();
    const capsule = await world.capture();
    await t.notThrowsAsync(() => verifyCapsule(capsule, world.expecting()));
    await t.throwsAsync(() => verifyCapsule(capsule, world.expecting(change(world))), { code });
  });
}

interface CapsuleJson {
  capturedAt: string;
  roots: string[];
  timestamp: string;
  targets: Record<string, string>;
  roles: Record<string, string>;
  [other: string]: unknown;
}

async function tampered(t: ExecutionContext, change: (capsule: CapsuleJson) => void, code: string): Promise<void> {
  const world = await upstreamWorld();
  const capsule = JSON.parse((await world.capture()).toString()) as CapsuleJson;
  change(capsule);
  const asOf = new Date(capsule.capturedAt);
  world.clock.advance(30 * DAY);
  await t.throwsAsync(() => verifyCapsule(Buffer.from(JSON.stringify(capsule)), world.expecting({ asOf })), { code });
}

const alterations: Record<string, [code: string, change: (capsule: CapsuleJson) => void]> = {
  'another trusted root in it': [
    'CAPSULE_INVALID',
    (c) => (c.targets['trusted_root.json'] = Buffer.from('{"evil":1}').toString('base64')),
  ],
  'no trusted root in it': ['CAPSULE_INVALID', (c) => (c.targets = {})],
  'a target that the upstream does not have': ['CAPSULE_INVALID', (c) => (c.targets['x.json'] = '')],
  'its targets metadata altered': [
    'CAPSULE_INVALID',
    (c) => {
      const text = Buffer.from(c.roles['targets'] ?? '', 'base64').toString();
      c.roles['targets'] = Buffer.from(text.replace('"other.json"', '"0ther.json"')).toString('base64');
    },
  ],
  'a capture time after its timestamp expired': [
    'CAPSULE_TIME',
    (c) => (c.capturedAt = new Date(START.getTime() + 7 * DAY).toISOString()),
  ],
  'a member that nobody knows': ['CAPSULE_INVALID', (c) => (c['extra'] = 1)],
  'no root': ['CAPSULE_INVALID', (c) => (c.roots = [])],
};
for (const [title, [code, change]] of Object.entries(alterations)) {
  test(`a capsule with ${title} is refused`, (t) => tampered(t, change, code));
}

test('a capsule of an older state than the site has is refused', async (t) => {
  const world = await upstreamWorld();
  const older = new MemoryRepositoryStore(world.upstream.store.snapshot());
  await world.upstream.publish(START);
  const previous = await verifyCapsule(await world.capture(), world.expecting());
  world.clock.advance(DAY);
  const replayed = await captureUpstream({
    domain: DOMAIN,
    transport: storeTransport(older),
    root: world.root,
    clock: world.clock,
  });
  await t.throwsAsync(() => verifyCapsule(replayed, world.expecting({ previous })), { code: 'CAPSULE_BACKWARD' });
});

test('a capsule captured before the one that the site has is refused', async (t) => {
  const world = await upstreamWorld();
  const early = await world.capture();
  const asOf = world.clock.now();
  world.clock.advance(DAY);
  const previous = await verifyCapsule(await world.capture(), world.expecting());
  await t.throwsAsync(() => verifyCapsule(early, world.expecting({ asOf, previous })), { code: 'CAPSULE_BACKWARD' });
});

test("a site publishes capsules under its own root; a client finds each domain's trusted root with its age", async (t) => {
  const site = await repositoryWorld();
  const worlds = {
    'sigstore.dev': await upstreamWorld(),
    'github.com': await upstreamWorld({ ownKeyIds: true, targets: { 'trusted_root.json': 'github' } }),
  };
  site.clock.advance(3600_000);
  const captures = await Promise.all(
    Object.entries(worlds).map(async ([domain, world]) => ({
      domain,
      capsule: await world.capture(domain),
      asOf: world.clock.now(),
      pinnedRoot: world.root,
    })),
  );
  const publish = async () =>
    publishUpstream(site.context, await loadRepository(site.store), {
      captures,
      signers: site.keys.upstream.signers.slice(0, 1),
    });
  t.deepEqual((await publish())?.roles, ['upstream', 'snapshot', 'timestamp']);
  t.is(await publish(), undefined);
  const client = site.client();
  await client.refresh();
  const target = await client.findTarget('upstream/github.com/trusted_root.json');
  t.is(target?.role, 'upstream');
  t.like(target?.custom, { capturedAt: '2026-11-21T07:00:00Z', upstreamRootVersion: 1, timestampVersion: 1 });
  t.is(target === undefined ? '' : (await client.download(target)).toString(), 'github');
  t.truthy(await client.findTarget('upstream/sigstore.dev/capsule.json'));
});

test('a newer capsule takes the place of the older one of its domain', async (t) => {
  const site = await repositoryWorld();
  const world = await upstreamWorld();
  const publish = async () => {
    const capture = { domain: DOMAIN, capsule: await world.capture(), asOf: world.clock.now(), pinnedRoot: world.root };
    site.clock.set(world.clock.now());
    return publishUpstream(site.context, await loadRepository(site.store), {
      captures: [capture],
      signers: site.keys.upstream.signers,
    });
  };
  await publish();
  world.clock.advance(DAY);
  await world.upstream.rotateRoot(START);
  await world.upstream.publish(START, { 'trusted_root.json': 'newer' });
  t.truthy(await publish());
  const client = site.client();
  await client.refresh();
  const target = await client.findTarget('upstream/sigstore.dev/trusted_root.json');
  t.like(target?.custom, { upstreamRootVersion: 2, timestampVersion: 2 });
});
