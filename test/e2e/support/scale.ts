import { kubectl } from '../../../scripts/lab/lab.ts';
import { waitUntil } from '../../../scripts/lab/wait.ts';
import { field, rolledOut } from './objects.ts';
import type { World } from './world.ts';

/** A workload by its namespace and `kind/name`. */
export type Workload = readonly [namespace: string, name: string];

async function scale({ lab }: World, [namespace, name]: Workload, replicas: number): Promise<void> {
  await kubectl(lab, ['-n', namespace, 'scale', name, `--replicas=${replicas}`]);
}

async function replicasOf({ lab }: World, [namespace, name]: Workload): Promise<number> {
  return Number(await field(lab, ['-n', namespace, name], '{.spec.replicas}'));
}

/** Scales workloads to nothing, does `work`, and brings them all back, whatever happens. */
export async function scaledDown(
  world: World,
  workloads: readonly Workload[],
  work: () => Promise<void>,
): Promise<void> {
  const before = await Promise.all(workloads.map(async (one) => [one, await replicasOf(world, one)] as const));
  try {
    for (const one of workloads) await scale(world, one, 0);
    for (const one of workloads) await noPodsOf(world, one);
    await work();
  } finally {
    for (const [one, replicas] of before) await scale(world, one, replicas);
    for (const [[namespace, name]] of before) await rolledOut(world.lab, namespace, name);
  }
}

async function noPodsOf({ lab }: World, [namespace, name]: Workload): Promise<void> {
  await waitUntil(`the pods of ${name} to be gone`, {
    timeoutMs: 90_000,
    probe: async () => ['', '0'].includes(await field(lab, ['-n', namespace, name], '{.status.replicas}')),
  });
}
