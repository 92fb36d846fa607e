import type { Writable } from 'node:stream';

import { VERSION } from '../version.ts';
import type { InstallBundle } from './install-bundle.ts';
import { withInstallLease } from './install-lease.ts';
import { readState, writeState } from './install-state.ts';
import { InstallerError } from './installer-error.ts';
import { installationSteps } from './plan.ts';
import { runWithProgress } from './progress.ts';
import { isDone, type PlannedStep, planSteps, progressItems } from './run-steps.ts';
import { writeSiteConfig } from './site-config.ts';
import type { InstallWorld, Step, Tell } from './step.ts';
import { namespaces } from './steps/namespaces.ts';
import { preflight } from './steps/preflight.ts';

/** How an installation runs. */
export interface InstallOptions {
  readonly isTty: boolean;
  readonly output: Writable;
  /** Asked before anything is changed; false ends the run. */
  readonly confirm: () => Promise<boolean>;
  /** Only shows what would be done. */
  readonly planOnly: boolean;
  /** The command that goes on after a failure. */
  readonly resume: string;
  /** The steps; those of the configuration unless told. */
  readonly steps?: readonly Step[];
}

/** How an installation ended. */
export type InstallOutcome = 'installed' | 'unchanged' | 'planned' | 'declined';

/**
 * Installs a site, or brings it in line with bundle and configuration. What is as it should be is left alone: a second
 * run writes nothing, a killed one is gone on with.
 * @throws InstallerError `STEP_FAILED`, `LEASE_HELD`, `BUNDLE_OLDER`, and what the steps throw.
 */
export async function installSite(world: InstallWorld, options: InstallOptions): Promise<InstallOutcome> {
  await refuseOlderBundle(world);
  const judge = {
    title: 'Cluster can take the site',
    run: (tell: Tell) => preflight(world, tell).then(() => 'done' as const),
  };
  await runWithProgress([judge], options);
  const steps = options.steps ?? installationSteps(world.config);
  const plan = await planSteps(world, steps);
  if (options.planOnly) {
    options.output.write(`${describePlan(plan).join('\n')}\n`);
    return 'planned';
  }
  if (isDone(plan)) {
    const change = finalState(world.bundle);
    const state = await readState(world.cluster);
    const differs = Object.entries(change).some(([key, value]) => state[key] !== value);
    if (differs) await withInstallLease(world, () => remember(world));
    options.output.write('Everything is as it should be.\n');
    return 'unchanged';
  }
  options.output.write(`${describePlan(plan).join('\n')}\n`);
  if (!(await options.confirm())) return 'declined';
  if (plan.some(({ step, found }) => step.needsKeys === true && !found.done)) await world.vault.unlock();
  await withInstallLease(world, async () => {
    await runWithProgress(progressItems(world, withConfig(plan), options.resume), options);
    await remember(world);
  });
  return 'installed';
}

/** The configuration is kept as soon as its namespace is there, so that a killed run is gone on with by it. */
function withConfig(plan: readonly PlannedStep[]): PlannedStep[] {
  return plan.map(({ step, found }) => {
    if (step.id !== namespaces.id) return { step, found };
    const act: Step['act'] = async (world, tell) => {
      await step.act(world, tell);
      await writeSiteConfig(world.cluster, world.config);
    };
    return { step: { ...step, act }, found };
  });
}

async function remember(world: InstallWorld): Promise<void> {
  await writeSiteConfig(world.cluster, world.config);
  await writeState(world.cluster, finalState(world.bundle));
}

function finalState({ digest, sequence }: InstallBundle): { bundle: string; sequence: string; version: string } {
  return { bundle: digest, sequence: `${sequence}`, version: VERSION };
}

async function refuseOlderBundle({ cluster, bundle }: InstallWorld): Promise<void> {
  const { sequence, bundle: installed } = await readState(cluster);
  if (sequence === undefined || installed === bundle.digest || bundle.sequence >= Number(sequence)) return;
  throw new InstallerError('BUNDLE_OLDER', `the site has bundle ${sequence}, this one is older: ${bundle.sequence}`, {
    fix: 'use the newest bundle; an older one would bring back what was fixed since',
  });
}

/** The plan for people: what is there, and what is missing. */
export function describePlan(plan: readonly PlannedStep[]): string[] {
  const width = String(plan.length).length;
  return plan.map(({ step, found }, index) => {
    const number = String(index + 1).padStart(width);
    return `${number}. ${found.done ? 'ok  ' : 'todo'} ${step.title}${found.done ? '' : `: ${found.missing}`}`;
  });
}
