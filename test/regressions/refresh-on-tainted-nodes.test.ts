// After more than a week without power the timestamp of every node has expired and the controller taints every node. The
// pod that signs a new one, and those that serve it and its evidence, could then be scheduled nowhere: for ever.

import ava from 'ava';

import { TRUST_TAINT } from '../../daemonset/node-taint.ts';
import { builtHelm, type RenderedObject, renderChart } from '../support/helm-template.ts';

const helm = builtHelm() ?? '';
// Helm is built with the lab; on a machine without one these are reported as skipped.
const test = helm === '' ? ava.skip : ava;

interface PodSpec {
  readonly tolerations?: readonly { readonly key?: string; readonly operator?: string; readonly effect?: string }[];
}

function podSpecOf({ kind, spec }: RenderedObject): PodSpec | undefined {
  const job = kind === 'CronJob' ? (spec?.['jobTemplate'] as { spec: { template: { spec: PodSpec } } }).spec : spec;
  return (job?.['template'] as { spec: PodSpec } | undefined)?.spec;
}

for (const [chart, kind] of [
  ['tuf', 'CronJob'],
  ['tuf', 'Deployment'],
  ['registry', 'StatefulSet'],
] as const) {
  test(`the ${kind} of ${chart} starts on a node whose trust is not synced`, async (t) => {
    const objects = await renderChart(helm, chart);
    const found = objects.filter((object) => object.kind === kind).map(podSpecOf);
    t.true(found.length > 0);
    for (const pod of found) {
      t.true(pod?.tolerations?.some(({ key, operator }) => key === TRUST_TAINT.key && operator === 'Exists'));
    }
  });
}
