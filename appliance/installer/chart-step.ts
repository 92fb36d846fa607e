import type { HelmValues, ReleaseName } from '../helm/helm.ts';
import { releaseDigest } from '../helm/release-digest.ts';
import { describeRef, type KindRef, type ObjectRef } from '../kube/kube-object.ts';
import { readinessOf } from '../kube/readiness.ts';
import { waitReady } from '../kube/wait-ready.ts';
import { DONE, firstMissing, type InstallWorld, type Look, missing, type Step, type Tell } from './step.ts';
import { unstick, unstickPods } from './unstick.ts';

/** A step that deploys one chart. */
export interface ChartStep {
  readonly title: string;
  /** Release and chart have the same name. */
  readonly release: ReleaseName;
  readonly needsKeys?: boolean;
  /** What must become ready. */
  readonly workloads: readonly { readonly kind: KindRef; readonly name: string }[];
  /** Looks at what must be there before the chart: Secrets, as a rule. */
  readonly lookBefore?: (world: InstallWorld) => Promise<Look>;
  /** Makes what must be there before the chart. */
  readonly prepare?: (world: InstallWorld, tell: Tell) => Promise<void>;
  /** The chart's values; only asked once `lookBefore` is content. */
  readonly values: (world: InstallWorld) => Promise<HelmValues>;
  /** Makes what can only be made once the chart's objects are there, before its pods are waited for. */
  readonly afterDeploy?: (world: InstallWorld, tell: Tell) => Promise<void>;
  /** Looks at what `afterDeploy` makes. */
  readonly lookAfter?: (world: InstallWorld) => Promise<Look>;
  /** Checks that the running service is the right one; throws when it isn't. */
  readonly verify?: (world: InstallWorld, tell: Tell) => Promise<void>;
}

/** Makes a {@link Step} of a chart: Secrets, release, pods ready, service checked. */
export function chartStep(chart: ChartStep): Step {
  const { release, title } = chart;
  return {
    id: release.name,
    title,
    ...(chart.needsKeys === undefined ? {} : { needsKeys: chart.needsKeys }),
    pods: podsOf(chart),
    look: (world) =>
      firstMissing([
        async () => (await chart.lookBefore?.(world)) ?? DONE,
        () => lookAtRelease(world, chart),
        async () => (await chart.lookAfter?.(world)) ?? DONE,
        () => lookAtWorkloads(world, chart),
      ]),
    act: async (world, tell) => {
      await chart.prepare?.(world, tell);
      await deploy(world, chart, tell);
      if (chart.afterDeploy !== undefined) {
        await chart.afterDeploy(world, tell);
        // What was made may be part of the values: pods that started before it must be rolled.
        await deploy(world, chart, tell);
      }
      await unstickPods(world.cluster, podsOf(chart));
      for (const ref of workloadRefs(chart)) {
        const onProgress = (message: string): void => tell(`${describeRef(ref)}: ${message}`);
        await unstick(world.cluster, ref);
        await waitReady(world.cluster, ref, { timeoutMs: world.readyTimeoutMs, signal: world.signal, onProgress });
      }
      await chart.verify?.(world, tell);
    },
  };
}

function podsOf({ release }: ChartStep): { namespace: string; labelSelector: string } {
  return { namespace: release.namespace, labelSelector: `app.kubernetes.io/instance=${release.name}` };
}

function workloadRefs({ workloads, release }: ChartStep): ObjectRef[] {
  return workloads.map(({ kind, name }) => ({ kind, name, namespace: release.namespace }));
}

async function deploy(world: InstallWorld, chart: ChartStep, tell: Tell): Promise<void> {
  const deployment = {
    ...chart.release,
    chart: await world.bundle.chart(chart.release.name),
    values: await chart.values(world),
  };
  tell(`helm release ${chart.release.namespace}/${chart.release.name}`);
  await world.helm.deploy(deployment, await releaseDigest(deployment));
}

async function lookAtRelease(world: InstallWorld, chart: ChartStep): Promise<Look> {
  const release = await world.helm.release(chart.release);
  if (release === undefined) return missing('not deployed');
  if (release.status !== 'deployed') return missing(`the release is ${release.status}`);
  const wanted = { chart: await world.bundle.chart(chart.release.name), values: await chart.values(world) };
  return release.digest === (await releaseDigest(wanted)) ? DONE : missing('chart or values changed');
}

async function lookAtWorkloads(world: InstallWorld, chart: ChartStep): Promise<Look> {
  for (const ref of workloadRefs(chart)) {
    const object = await world.cluster.get(ref);
    if (object === undefined) return missing(`${describeRef(ref)} is not there`);
    const readiness = readinessOf(object);
    if (readiness.state !== 'ready') return missing(`${describeRef(ref)}: ${readiness.message}`);
  }
  return DONE;
}
