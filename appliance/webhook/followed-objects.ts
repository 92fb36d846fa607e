import { setTimeout as delay } from 'node:timers/promises';

import { describeError } from '../kernel/coded-error.ts';
import type { Log } from '../kernel/log.ts';
import type { Cluster, Selection } from '../kube/cluster.ts';
import type { KindRef, KubeObject } from '../kube/kube-object.ts';

/** What to follow, and whom to tell. */
export interface FollowOptions {
  readonly kind: KindRef;
  readonly selection?: Selection;
  /** Told the whole set, by name: first when it is complete, then after each change. */
  readonly onSet: (objects: ReadonlyMap<string, KubeObject>) => void;
  /** Told when a watch could not be begun or broke; the sets told so far stay. */
  readonly onFailure?: (error: unknown) => void;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Waits between two tries. */
  readonly pause?: (ms: number, signal: AbortSignal) => Promise<void>;
}

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

/**
 * Keeps a set of objects as the cluster has it, until the signal is aborted. Whatever ends a watch, it is begun again
 * with growing pauses, and the last complete set stays until the next is complete.
 */
export async function followObjects(cluster: Cluster, options: FollowOptions): Promise<void> {
  const { kind, signal, log, onFailure, pause = wait } = options;
  for (let tries = 0; !signal.aborted; tries += 1) {
    try {
      await watchOnce(cluster, options, () => {
        tries = 0;
      });
    } catch (error) {
      log.error(`${kind.kind} can't be watched`, { error: describeError(error) });
      onFailure?.(error);
    }
    await pause(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** tries), signal);
  }
}

async function watchOnce(cluster: Cluster, options: FollowOptions, onSynced: () => void): Promise<void> {
  const { kind, selection, onSet, signal } = options;
  const objects = new Map<string, KubeObject>();
  let synced = false;
  await cluster.watch(kind, {
    ...selection,
    signal,
    onEvent: (event) => {
      if (event.type === 'synced') {
        synced = true;
        onSynced();
      } else if (event.type === 'deleted') objects.delete(event.object.metadata.name);
      else objects.set(event.object.metadata.name, event.object);
      if (synced) onSet(objects);
    },
  });
}

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
