import { describeError } from '../kernel/coded-error.ts';
import type { Digest } from '../kernel/digest.ts';
import type { ImageReference } from '../kernel/image-reference.ts';
import type { WorkloadFacts } from '../verification/match-policy.ts';
import type { Verdict } from '../verification/verdict.ts';
import type { AdmissionWorld } from './admission-world.ts';
import type { WorkloadImage } from './images-in-workload.ts';
import { readImage } from './read-image.ts';
import { toldError, WebhookError } from './webhook-error.ts';

/** What came out for one image of a workload. */
export type ImageFinding = { readonly place: string; readonly image: string; readonly digest?: Digest } & (
  | { readonly kind: 'judged'; readonly verdict: Verdict }
  /** The image can't be judged as it is written. */
  | { readonly kind: 'unusable'; readonly code: string; readonly message: string }
  | { readonly kind: 'undecided'; readonly code: string; readonly message: string; readonly fix?: string }
);

/** What is judged, and how. */
export interface JudgingTask {
  readonly images: readonly WorkloadImage[];
  readonly workload: WorkloadFacts;
  /** A Pod's images must be pinned already: what is judged must be what is fetched. */
  readonly mustBePinned: boolean;
}

/** Judges every image, each by itself. What can't be decided by the time `deadline` is aborted stays undecided. */
export async function judgeImages(
  task: JudgingTask,
  world: AdmissionWorld,
  deadline: AbortSignal,
): Promise<ImageFinding[]> {
  return await Promise.all(task.images.map(async (image) => await judgeImage(image, { task, world, deadline })));
}

interface JudgingContext {
  readonly task: JudgingTask;
  readonly world: AdmissionWorld;
  readonly deadline: AbortSignal;
}

async function judgeImage(named: WorkloadImage, context: JudgingContext): Promise<ImageFinding> {
  const { image, place } = named;
  if (image === '') return { kind: 'unusable', place, image, code: 'NO_IMAGE', message: 'names no image' };
  let reference: ImageReference;
  try {
    reference = readImage(image);
  } catch (error) {
    return { kind: 'unusable', place, image, code: 'REFERENCE_INVALID', message: describeError(error) };
  }
  return await judgeReference(named, reference, context);
}

async function judgeReference(
  { image, place }: WorkloadImage,
  reference: ImageReference,
  { task, world, deadline }: JudgingContext,
): Promise<ImageFinding> {
  let found = reference.digest === undefined ? {} : { digest: reference.digest };
  try {
    const digest = await within(world.digestOf(reference), deadline);
    found = { digest };
    if (task.mustBePinned && reference.digest === undefined) {
      const message = `is not pinned: write ${image}@${digest}, or have the webhook's mutation registered`;
      return { kind: 'unusable', place, image, digest, code: 'NOT_PINNED', message };
    }
    const verdict = await within(world.judge({ reference, digest, workload: task.workload }), deadline);
    return { kind: 'judged', place, image, digest, verdict };
  } catch (error) {
    return { kind: 'undecided', place, image, ...found, ...toldError(error) };
  }
}

/** `work`, or an error as soon as the deadline is over; the work then goes on and its result is for the cache. */
export async function within<Result>(work: Promise<Result>, deadline: AbortSignal): Promise<Result> {
  const { promise: expired, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => {
    reject(new WebhookError('DEADLINE_EXCEEDED', 'no verdict in time', { fix: 'try again in a moment' }));
  };
  if (deadline.aborted) onAbort();
  deadline.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, expired]);
  } finally {
    deadline.removeEventListener('abort', onAbort);
    // The loser of the race must not become an unhandled rejection.
    expired.catch(() => undefined);
    work.catch(() => undefined);
  }
}
