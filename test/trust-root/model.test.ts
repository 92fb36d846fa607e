import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import test from 'ava';
import fc from 'fast-check';

import { currentGeneration, followRepository, pinRoot } from '../../trust-root/follow.ts';
import { nodePaths, type VerifiedGeneration } from '../../trust-root/generation.ts';
import { MemoryRepositoryStore } from '../../trust-root/repository-store-memory.ts';
import { TrustRootError } from '../../trust-root/trust-root-error.ts';
import { storeTransport } from '../../trust-root/tuf-transport.ts';
import { repositoryKeys, repositoryWorld } from './world/repository-world.ts';

const DAY = 86_400_000;
const ROTATIONS = ['root', 'targets', 'snapshot', 'timestamp', 'upstream', 'siteState'] as const;

type Step =
  | { readonly kind: 'publish' | 'siteState' | 'refresh' | 'follow' | 'remember' | 'crash' }
  | { readonly kind: 'rotate'; readonly role: (typeof ROTATIONS)[number] }
  | { readonly kind: 'wait'; readonly days: number }
  | { readonly kind: 'replay' | 'tamper'; readonly at: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<Step>({ kind: 'follow' }, { kind: 'publish' }, { kind: 'siteState' }) },
  { weight: 2, arbitrary: fc.constantFrom<Step>({ kind: 'refresh' }, { kind: 'remember' }, { kind: 'crash' }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rotate' as const), role: fc.constantFrom(...ROTATIONS) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), days: fc.integer({ min: -3, max: 20 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('replay' as const, 'tamper' as const), at: fc.nat() }) },
);

/** The order in which states follow one another: root first, since versions may start over under a new one. */
function isBehind(a: VerifiedGeneration, b: VerifiedGeneration): boolean {
  const [rootA, rootB] = [a.versions['root'] ?? 0, b.versions['root'] ?? 0];
  return rootA < rootB || (rootA === rootB && a.number < b.number);
}

test('whatever is published, rotated, replayed, tampered with or waited for, a node never goes back', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
      const world = await repositoryWorld({ algorithm: 'ed25519', targets: { 'a.json': '0' } });
      const base = await mkdtemp(path.join(tmpdir(), 'sealift-model-'));
      const paths = nodePaths(base);
      await pinRoot(paths, world.root);
      const past = [world.store.snapshot()];
      let seen: VerifiedGeneration | undefined;
      let count = 0;
      const follow = async (files = world.store.snapshot()): Promise<void> => {
        try {
          const transport = storeTransport(new MemoryRepositoryStore(files));
          const { generation } = await followRepository({ paths, transport, clock: world.clock });
          t.false(seen !== undefined && isBehind(generation, seen), 'went back');
          seen = generation;
        } catch (error) {
          t.true(error instanceof TrustRootError, String(error));
        }
      };
      /** Authors may be refused too (a clock set back), by name. */
      const author = async (work: Promise<unknown>): Promise<void> => {
        await work.catch((error: unknown) => t.true(error instanceof TrustRootError, String(error)));
      };
      const run: { readonly [Kind in Step['kind']]: (now: Extract<Step, { kind: Kind }>) => Promise<void> } = {
        publish: () => author(world.publish({ 'a.json': String((count += 1)) })),
        siteState: () => author(world.siteState({ 'site-state/a.json': String((count += 1)) })),
        refresh: () => author(world.refresh()),
        rotate: ({ role }) => author(world.rotate({ [role]: repositoryKeys('ed25519')[role] })),
        wait: async ({ days }) => world.clock.advance(days * DAY),
        remember: async () => void past.push(world.store.snapshot()),
        follow: () => follow(),
        replay: ({ at }) => follow(past[at % past.length]),
        tamper: ({ at }) => {
          const files = world.store.snapshot();
          const names = [...files.keys()].filter((name) => name !== 'root.json');
          const name = names[at % names.length] ?? '';
          const bytes = files.get(name) ?? Buffer.alloc(0);
          const byte = at % Math.max(bytes.length, 1);
          bytes[byte] = (bytes[byte] ?? 0) ^ 1;
          files.set(name, bytes);
          return follow(files);
        },
        // A kill between two writes: the floor is behind the link, or the link not there yet. Never both at once.
        crash: async () => {
          if (existsSync(paths.floor) && existsSync(paths.current)) {
            await rm(past.length % 2 === 0 ? paths.floor : paths.current);
          }
        },
      };
      try {
        for (const now of steps) await run[now.kind](now as never);
        if (seen !== undefined) {
          const current = await currentGeneration(paths, world.clock).catch((error: unknown) => {
            t.true(error instanceof TrustRootError, String(error));
          });
          t.false(current !== undefined && isBehind(current, seen), 'lies on disk older than it was seen');
        }
      } finally {
        await rm(base, { recursive: true, force: true });
      }
    }),
    { numRuns: Number(process.env['SEALIFT_MODEL_RUNS'] ?? 60) },
  );
});
