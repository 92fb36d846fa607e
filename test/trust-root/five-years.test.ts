import test from 'ava';

import { statusOf } from '../../trust-root/refresh.ts';
import { renewRole } from '../../trust-root/renew.ts';
import { DEFAULT_POLICY } from '../../trust-root/repository-policy.ts';
import { loadRepository } from '../../trust-root/repository-state.ts';
import { TrustRootError } from '../../trust-root/trust-root-error.ts';
import type { KeptMetadata } from '../../trust-root/tuf-client.ts';
import { type RepositoryWorld, repositoryWorld, START, signer } from './world/repository-world.ts';

const DAY = 86_400_000;
/** Inside the timestamp's seven days, so nothing may expire but in the outage. */
const STEP_DAYS = 6;

/** A client that follows when it is told to, and remembers what it was refused for. */
class Node {
  #kept: KeptMetadata;
  readonly refusals = new Set<string>();
  root = 0;
  timestamp = 0;

  constructor(root: Buffer) {
    this.#kept = { roots: [root] };
  }

  async follow(world: RepositoryWorld): Promise<void> {
    const client = world.client(this.#kept);
    try {
      await client.refresh();
      await client.loadAllRoles();
    } catch (error) {
      if (!(error instanceof TrustRootError)) throw error;
      this.refusals.add(`${error.code}: ${error.message.split(' ')[0] ?? ''}`);
      return;
    }
    const trusted = client.trusted();
    this.#kept = trusted;
    this.root = trusted.set.root.version;
    this.timestamp = trusted.set.timestamp?.version ?? 0;
  }
}

/** What the officers do each quarter. */
async function quarter(world: RepositoryWorld): Promise<void> {
  for (const role of ['targets', 'upstream', 'root'] as const) {
    const state = await loadRepository(world.store);
    const due = statusOf(state, DEFAULT_POLICY, world.clock.now()).find((row) => row.role === role);
    if (due?.condition === 'ok') continue;
    await renewRole(world.context, state, { role, signers: world.keys[role].signers });
  }
}

test('five years: refreshed, renewed, rotated, a root key lost, a month without the cluster, a node asleep for 400 days', async (t) => {
  t.timeout(300_000, 'a loaded machine');
  const world = await repositoryWorld({ algorithm: 'ed25519', targets: { 'a.json': 'a' } });
  const [awake, sleeper] = [new Node(world.root), new Node(world.root)];
  for (let day = 0; day <= 5 * 365; day += STEP_DAYS) {
    world.clock.set(new Date(START.getTime() + day * DAY));
    const isOut = day >= 900 && day < 930;
    if (!isOut) {
      await world.refresh();
      if (day % 90 === 0) await quarter(world);
    }
    if (day === 450) await world.rotate({ root: { signers: [signer(), signer(), signer()], threshold: 2 } });
    if (day === 1200) {
      // One of three root keys is lost: the other two name another in its place.
      const left = world.keys.root.signers.slice(1);
      Object.assign(world.keys, { root: { ...world.keys.root, signers: left } });
      await world.rotate({ root: { signers: [...left, signer()], threshold: 2 } });
    }
    const before = awake.timestamp;
    const refusals = awake.refusals.size;
    await awake.follow(world);
    t.true(awake.timestamp >= before);
    if (!isOut) t.is(awake.refusals.size, refusals, `day ${day}: ${[...awake.refusals].join(', ')}`);
    if (day < 300 || day > 700) await sleeper.follow(world);
  }
  t.deepEqual([...awake.refusals], ['ROLE_EXPIRED: timestamp']);
  t.deepEqual([...sleeper.refusals], ['ROLE_EXPIRED: timestamp']);
  t.is(sleeper.timestamp, awake.timestamp);
  t.true(awake.root >= 6);
});
