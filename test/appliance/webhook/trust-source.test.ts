import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import test, { type ExecutionContext } from 'ava';

import { replaceSymlink } from '../../../appliance/kernel/atomic-file.ts';
import { clockAt } from '../../../appliance/kernel/clock.ts';
import { silentLog } from '../../../appliance/kernel/log.ts';
import { TrustSource, type TrustSourceOptions } from '../../../appliance/webhook/trust-source.ts';
import { nodePaths, type VerifiedGeneration } from '../../../trust-root/generation.ts';

const ROOT = Buffer.from('{"signed":{"_type":"root"}}');
const ROOT_SHA256 = createHash('sha256').update(ROOT).digest('hex');

function generation(number: number): VerifiedGeneration {
  return {
    number,
    versions: {},
    signedAt: new Date(0),
    expiries: [],
    targetNames: () => [],
    target: async () => Buffer.alloc(0),
    targetCustom: () => ({}),
  };
}

async function world(t: ExecutionContext, options: Partial<TrustSourceOptions<number>> = {}) {
  const base = await mkdtemp(path.join(tmpdir(), 'sealift-trust-'));
  t.teardown(async () => await rm(base, { recursive: true, force: true }));
  const paths = nodePaths(base);
  await writeFile(paths.pinnedRoot, ROOT);
  await mkdir(paths.generations);
  const clock = clockAt('2026-01-01T00:00:00Z');
  const bad = new Set<number>();
  const changes: number[] = [];
  let verified = 0;
  const trust = new TrustSource<number>({
    paths,
    rootSha256: ROOT_SHA256,
    clock,
    log: silentLog,
    verify: async (folder, pinnedRoot) => {
      verified += 1;
      const number = Number(path.basename(folder));
      if (bad.has(number)) throw new Error(`generation ${number} does not verify`);
      if (!pinnedRoot.equals(ROOT)) throw new Error('another root');
      return generation(number);
    },
    read: async (loaded) => loaded.number * 10,
    onChange: ({ contents }) => changes.push(contents),
    ...options,
  });
  const point = async (number: number): Promise<void> => {
    await replaceSymlink(paths.current, `generations/${String(number).padStart(12, '0')}`);
  };
  return { trust, paths, clock, bad, changes, point, verifications: () => verified };
}

test('the generation that current leads to is loaded once', async (t) => {
  const { trust, point, changes, verifications } = await world(t);
  await point(12);
  t.true(await trust.look());
  t.false(await trust.look());
  t.like(trust.current(), { contents: 120 });
  t.is(trust.fault(), undefined);
  t.deepEqual(changes, [120]);
  t.is(verifications(), 1);
});

test('a new generation is swapped in', async (t) => {
  const { trust, point } = await world(t);
  await point(12);
  await trust.look();
  await point(13);
  t.true(await trust.look());
  t.like(trust.current(), { contents: 130 });
});

test('one that does not verify leaves the last good one, is reported, and tried again later', async (t) => {
  const { trust, point, bad, clock, verifications } = await world(t);
  await point(12);
  await trust.look();
  bad.add(13);
  await point(13);
  t.false(await trust.look());
  t.false(await trust.look());
  t.is(verifications(), 2);
  t.like(trust.current(), { contents: 120 });
  t.regex(trust.fault() ?? '', /generation 13 does not verify/);
  bad.clear();
  clock.advance(10_000);
  t.true(await trust.look());
  t.is(trust.fault(), undefined);
});

test('an older generation is not taken, nor one after it was', async (t) => {
  const { trust, point } = await world(t);
  await point(12);
  await trust.look();
  await point(11);
  t.false(await trust.look());
  t.regex(trust.fault() ?? '', /older than 12/);
  await point(12);
  t.false(await trust.look());
  t.is(trust.fault(), undefined);
  t.like(trust.current(), { contents: 120 });
});

test('a folder whose number is not that of its timestamp is not taken', async (t) => {
  const { trust, point } = await world(t, { verify: async () => generation(99) });
  await point(12);
  t.false(await trust.look());
  t.regex(trust.fault() ?? '', /number 99/);
});

for (const target of ['../elsewhere/000000000012', '/etc', 'generations/../../000000000012', 'generations/12']) {
  test(`a link to ${target} is not followed`, async (t) => {
    const { trust, paths, verifications } = await world(t);
    await symlink(target, paths.current);
    t.false(await trust.look());
    t.is(verifications(), 0);
    t.regex(trust.fault() ?? '', /no generation/);
  });
}

test('another root than the one given is refused', async (t) => {
  const { trust, point, paths } = await world(t);
  await writeFile(paths.pinnedRoot, '{"signed":{"_type":"root","evil":true}}');
  await point(12);
  t.false(await trust.look());
  t.regex(trust.fault() ?? '', /root\.json has sha256/);
  t.is(trust.current(), undefined);
});

test('without a generation there is a fault and nothing current', async (t) => {
  const { trust } = await world(t);
  t.false(await trust.look());
  t.regex(trust.fault() ?? '', /ENOENT/);
  t.is(trust.current(), undefined);
});

test('contents that can not be read leave the last good generation', async (t) => {
  const { trust, point } = await world(t, {
    read: async ({ number }) => {
      if (number === 13) throw new Error('policies.json is not JSON');
      return number;
    },
  });
  await point(12);
  await trust.look();
  await point(13);
  t.false(await trust.look());
  t.like(trust.current(), { contents: 12 });
});

const EXPIRES = new Date('2026-01-02T00:00:00Z');
const expiring = async (folder: string): Promise<VerifiedGeneration> => ({
  ...generation(Number(path.basename(folder))),
  expiries: [{ role: 'site-state', expires: EXPIRES }],
});

test('a generation is read again, once, when one of its roles expires', async (t) => {
  const { trust, point, clock, changes } = await world(t, { verify: expiring });
  await point(12);
  t.true(await trust.look());
  t.false(await trust.look());
  clock.set(EXPIRES);
  t.true(await trust.look());
  t.false(await trust.look());
  t.is(changes.length, 2);
});

test('a generation that does not verify any more when a role expires is reported', async (t) => {
  const state = { clock: new Date(0) };
  const { trust, point, clock } = await world(t, {
    verify: async (folder) => {
      if (state.clock >= EXPIRES) throw new Error('timestamp has expired');
      return await expiring(folder);
    },
  });
  await point(12);
  await trust.look();
  clock.set(EXPIRES);
  state.clock = EXPIRES;
  t.false(await trust.look());
  t.regex(trust.fault() ?? '', /timestamp has expired/);
  t.like(trust.current(), { contents: 120 });
});
