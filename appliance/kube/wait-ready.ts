import type { Cluster } from './cluster.ts';
import { KubeError } from './kube-error.ts';
import { describeRef, type KubeObject, type ObjectRef } from './kube-object.ts';
import { type Readiness, readinessOf } from './readiness.ts';

/** How long to wait, and whom to tell. */
export interface WaitOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Judges the object; {@link readinessOf} unless told. `undefined`: it is not there. */
  readonly judge?: (object: KubeObject | undefined) => Readiness;
  /** Told each time the judgement's message changes. */
  readonly onProgress?: (message: string) => void;
}

const judgeByStatus = (object: KubeObject | undefined): Readiness =>
  object === undefined ? { state: 'waiting', message: 'not there yet' } : readinessOf(object);

/**
 * Waits until the object `ref` names is ready, by watching it.
 * @returns the object as it was when it became ready; `undefined` when the judge takes its absence for ready.
 * @throws KubeError `NOT_READY`: the judge said it failed; `TIMEOUT`: with the last that was missing.
 */
export async function waitReady(
  cluster: Cluster,
  ref: ObjectRef,
  options: WaitOptions,
): Promise<KubeObject | undefined> {
  const { judge = judgeByStatus, timeoutMs } = options;
  const done = new AbortController();
  // Not AbortSignal.timeout: its timer would let the process end while this waits.
  const timer = setTimeout(() => done.abort(), timeoutMs);
  const outside = options.signal === undefined ? [] : [options.signal];
  let last: Readiness = { state: 'waiting', message: 'not there yet' };
  let found: KubeObject | undefined;
  const look = (object: KubeObject | undefined): void => {
    const now = judge(object);
    if (now.message !== last.message) options.onProgress?.(now.message);
    last = now;
    found = object;
    if (now.state !== 'waiting') done.abort();
  };
  let current: KubeObject | undefined;
  try {
    await cluster.watch(ref.kind, {
      ...(ref.namespace === undefined ? {} : { namespace: ref.namespace }),
      fieldSelector: `metadata.name=${ref.name}`,
      signal: AbortSignal.any([done.signal, ...outside]),
      onEvent: (event) => {
        if (event.type !== 'synced') current = event.type === 'deleted' ? undefined : event.object;
        look(current);
      },
    });
  } finally {
    clearTimeout(timer);
  }
  options.signal?.throwIfAborted();
  return outcome(ref, last, { found, timeoutMs });
}

function outcome(
  ref: ObjectRef,
  last: Readiness,
  { found, timeoutMs }: { found: KubeObject | undefined; timeoutMs: number },
): KubeObject | undefined {
  if (last.state === 'ready') return found;
  const what = describeRef(ref);
  if (last.state === 'failed') throw new KubeError('NOT_READY', `${what}: ${last.message}`);
  throw new KubeError('TIMEOUT', `${what}: not ready after ${Math.round(timeoutMs / 1000)} s: ${last.message}`);
}
