import { createHash } from 'node:crypto';

import { describeError } from '../appliance/kernel/coded-error.ts';
import { pinRoot, readPinnedRoot } from '../trust-root/follow.ts';
import type { NodePaths } from '../trust-root/generation.ts';
import { TrustRootError } from '../trust-root/trust-root-error.ts';
import { DaemonsetError } from './daemonset-error.ts';

/** The root v1 that an agent was started with: its hash, and where its bytes may be had. */
export interface RootSource {
  /** 64 hex digits. What this does not match is never pinned, wherever it came from. */
  readonly sha256: string;
  /** Asked in order; `undefined`: it has none. */
  readonly candidates: readonly (() => Promise<Buffer | undefined>)[];
}

/**
 * Makes the node hold the root of its site, which it takes once.
 * @throws DaemonsetError `PINNED_ROOT_DIFFERS` when it was given another before, `PINNED_ROOT_WRONG` when none is to be had.
 */
export async function ensurePinnedRoot(paths: NodePaths, { sha256, candidates }: RootSource): Promise<void> {
  const present = await readPinnedRoot(paths).catch((error: unknown) => {
    if (error instanceof TrustRootError && error.code === 'METADATA_MISSING') return undefined;
    throw error;
  });
  if (present !== undefined) {
    const found = hexOf(present);
    if (found === sha256) return;
    throw new DaemonsetError('PINNED_ROOT_DIFFERS', `this node's root has sha256 ${found}, the site's has ${sha256}`, {
      fix: `find out why; only then remove ${paths.pinnedRoot} on the node`,
    });
  }
  const faults: string[] = [];
  for (const candidate of candidates) {
    try {
      const bytes = await candidate();
      if (bytes !== undefined && hexOf(bytes) === sha256) {
        await pinRoot(paths, bytes);
        return;
      }
      faults.push(bytes === undefined ? 'not there' : `sha256 ${hexOf(bytes)}`);
    } catch (error) {
      faults.push(describeError(error));
    }
  }
  throw new DaemonsetError('PINNED_ROOT_WRONG', `no root with sha256 ${sha256} (${faults.join('; ')})`, {
    fix: 'sealift node prepare gives a node the root of its site',
  });
}

function hexOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
