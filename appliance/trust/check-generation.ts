import { access, readFile } from 'node:fs/promises';
import path from 'node:path';

import { currentGeneration } from '../../trust-root/follow.ts';
import { nodePaths, type VerifiedGeneration, verifyGeneration } from '../../trust-root/generation.ts';
import { TrustRootError } from '../../trust-root/trust-root-error.ts';
import type { Clock } from '../kernel/clock.ts';

/** A folder to check: a node's (`/var/lib/sealift`), or one generation with the root to check it from. */
export interface CheckRequest {
  readonly folder: string;
  readonly rootFile: string | undefined;
  readonly clock: Clock;
}

/** Checks a generation: its whole chain, and every target's length and hash. @throws TrustRootError naming what is wrong. */
export async function checkGeneration({ folder, rootFile, clock }: CheckRequest): Promise<VerifiedGeneration> {
  const generation = await openGeneration({ folder, rootFile, clock });
  for (const name of generation.targetNames()) await generation.target(name);
  return generation;
}

async function openGeneration({ folder, rootFile, clock }: CheckRequest): Promise<VerifiedGeneration> {
  const isNode = await access(path.join(folder, 'generations')).then(
    () => true,
    () => false,
  );
  if (isNode && rootFile === undefined) return currentGeneration(nodePaths(folder), clock);
  if (rootFile === undefined) {
    throw new TrustRootError('CONFIG_INVALID', `${folder}: a generation by itself is checked from a root`, {
      fix: 'give --root FILE',
    });
  }
  const pinnedRoot = await readFile(rootFile).catch((cause: unknown) => {
    throw new TrustRootError('CONFIG_INVALID', `${rootFile}: could not be read`, { cause });
  });
  return verifyGeneration(isNode ? path.join(folder, 'current') : folder, { pinnedRoot, clock });
}

/** What a generation is, as lines. */
export function generationLines(generation: VerifiedGeneration): string[] {
  const versions = Object.entries(generation.versions).map(([role, version]) => `${role} v${version}`);
  const first = generation.expiries[0];
  return [
    `generation ${generation.number}, signed ${generation.signedAt.toISOString()}`,
    `metadata: ${versions.join(', ')}`,
    ...(first === undefined ? [] : [`first to expire: ${first.role}, ${first.expires.toISOString()}`]),
    ...generation.targetNames().map((name) => `target: ${name}`),
  ];
}
