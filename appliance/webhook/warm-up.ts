import { setImmediate as nextTurn } from 'node:timers/promises';

import type { EvidenceIndex } from '../../mirror/evidence-index.ts';
import { isDigest } from '../kernel/digest.ts';
import { parseImageReference } from '../kernel/image-reference.ts';
import type { AdmissionWorld } from './admission-world.ts';

/** Most verdicts reached ahead of time for one state of trust and policies. */
const MAX_VERDICTS = 5000;
const POD = { group: '', version: 'v1', resource: 'pods', labels: {} };

/**
 * Reaches verdicts before anybody asks: on every synced image that has evidence, as a Pod without labels would use it.
 * One at a time, each in a turn of its own, so that reviews go first. Ends early when the signal is aborted.
 * @returns how many verdicts there are now; what could not be decided is left for the review that needs it.
 */
export async function warmUp(world: AdmissionWorld, index: EvidenceIndex, signal: AbortSignal): Promise<number> {
  let reached = 0;
  let tried = 0;
  for (const [digest, { repositories, evidence }] of Object.entries(index.images)) {
    if (evidence.length === 0 || !isDigest(digest)) continue;
    for (const repository of repositories) {
      if (signal.aborted || tried >= MAX_VERDICTS) return reached;
      tried += 1;
      await nextTurn();
      const judged = await judge(world, `${repository}@${digest}`);
      if (judged) reached += 1;
    }
  }
  return reached;
}

async function judge(world: AdmissionWorld, image: string): Promise<boolean> {
  try {
    const reference = parseImageReference(image);
    const { digest } = reference;
    if (digest === undefined) return false;
    await world.judge({ reference, digest, workload: POD });
    return true;
  } catch {
    return false;
  }
}

/** Runs `work` whenever it was asked for, one run at a time; a later request ends the run under way. */
export class LatestRun {
  readonly #work: (signal: AbortSignal) => Promise<void>;
  #abort: AbortController | undefined;
  #last: Promise<void> = Promise.resolve();

  /** @param work must not reject. */
  constructor(work: (signal: AbortSignal) => Promise<void>) {
    this.#work = work;
  }

  /** Asks for a run. */
  request(): void {
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    this.#last = this.#last.then(async () => {
      if (!abort.signal.aborted) await this.#work(abort.signal);
    });
  }

  /** Ends the run under way and waits for it. */
  async stop(): Promise<void> {
    this.#abort?.abort();
    await this.#last;
  }
}
