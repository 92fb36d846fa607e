import { realpath, rm } from 'node:fs/promises';
import path from 'node:path';

import { followRepository, pinRoot } from '../../../trust-root/follow.ts';
import { nodePaths } from '../../../trust-root/generation.ts';
import { storeTransport } from '../../../trust-root/tuf-transport.ts';
import { repositoryWorld } from '../../trust-root/world/repository-world.ts';
import type { World } from './world.ts';

/** A generation that is good in every way, but signed by another site's keys. @returns its folder. */
export async function makeForeignGeneration({ files }: World): Promise<string> {
  const folder = path.join(files.folder, 'foreign');
  await rm(folder, { recursive: true, force: true });
  const foreign = await repositoryWorld({ start: new Date(), targets: { 'trusted_root.json': '{}' } });
  const paths = nodePaths(folder);
  await pinRoot(paths, foreign.root);
  await followRepository({ paths, transport: storeTransport(foreign.store), clock: foreign.clock });
  return await realpath(paths.current);
}
