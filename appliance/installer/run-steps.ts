import { forEachLimited } from '../../mirror/concurrency.ts';
import { CodedError, describeError } from '../kernel/coded-error.ts';
import { diagnosePods } from './diagnose.ts';
import { InstallerError } from './installer-error.ts';
import type { ProgressItem } from './progress.ts';
import type { InstallWorld, Look, Step, Tell } from './step.ts';

/** Most of a look's time goes by in `helm`, a process of its own. */
const LOOKS_AT_ONCE = 4;

/** A step with what was found when the plan was made. */
export interface PlannedStep {
  readonly step: Step;
  readonly found: Look;
}

/** Looks at every step, several at a time; changes nothing. */
export async function planSteps(world: InstallWorld, steps: readonly Step[]): Promise<PlannedStep[]> {
  const planned = new Map<Step, PlannedStep>();
  await forEachLimited(steps, LOOKS_AT_ONCE, async (step) => {
    world.signal.throwIfAborted();
    planned.set(step, { step, found: await step.look(world) });
  });
  return steps.flatMap((step) => planned.get(step) ?? []);
}

/** True when the plan has nothing to do. */
export function isDone(plan: readonly PlannedStep[]): boolean {
  return plan.every(({ found }) => found.done);
}

/**
 * The plan as items of a progress display. Steps that were done are looked at again only once something before them
 * changed: look, act, look again.
 * @param resume the command that goes on after a failure.
 */
export function progressItems(world: InstallWorld, plan: readonly PlannedStep[], resume: string): ProgressItem[] {
  let changed = false;
  return plan.map(({ step, found }) => ({
    title: step.title,
    run: async (tell) => {
      if (found.done && !changed) return 'unchanged';
      const now = await step.look(world);
      if (now.done) return 'unchanged';
      changed = true;
      await actAndLookAgain(world, step, { tell, resume });
      return 'done';
    },
  }));
}

async function actAndLookAgain(
  world: InstallWorld,
  step: Step,
  { tell, resume }: { tell: Tell; resume: string },
): Promise<void> {
  world.signal.throwIfAborted();
  try {
    await step.act(world, tell);
    const after = await step.look(world);
    if (!after.done) throw new InstallerError('STEP_UNFINISHED', `still missing afterwards: ${after.missing}`);
  } catch (error) {
    if (world.signal.aborted) throw error;
    throw await explained(world, step, { error, resume });
  }
}

async function explained(
  world: InstallWorld,
  step: Step,
  { error, resume }: { error: unknown; resume: string },
): Promise<InstallerError> {
  const why = step.pods === undefined ? [] : await diagnosePods(world.cluster, step.pods);
  const details = why.length === 0 ? '' : `\n${why.map((line) => `  ${line}`).join('\n')}`;
  const coded = error instanceof CodedError ? error : undefined;
  const first = coded?.fix === undefined ? '' : `${coded.fix}; then `;
  return new InstallerError('STEP_FAILED', `${step.title}: ${describeError(error)}${details}`, {
    fix: `${first}go on with: ${resume}`,
    ...(coded?.exitCode === undefined ? {} : { exitCode: coded.exitCode }),
  });
}
