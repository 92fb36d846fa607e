import path from 'node:path';

import test from 'ava';
import { imagesInManifests } from '../../../appliance/bundle/chart-images.ts';
import { chartFolders, readChart } from '../../../appliance/bundle/chart-source.ts';
import { helmRenderer } from '../../../appliance/bundle/render-chart.ts';
import { STACK_RENDER_VALUES } from '../../../appliance/bundle/stack-values.ts';
import { formatImageReference, parseImageReference } from '../../../appliance/kernel/image-reference.ts';
import { builtHelm } from '../../support/helm-template.ts';

const charts = path.resolve(import.meta.dirname, '..', '..', '..', 'charts');

const pod = (image: string): string => `{ containers: [{ name: c, image: "${image}" }] }`;

for (const [kind, yaml] of Object.entries({
  Pod: `kind: Pod\nspec: ${pod('a:1')}`,
  Deployment: `kind: Deployment\nspec: { template: { spec: ${pod('a:1')} } }`,
  StatefulSet: `kind: StatefulSet\nspec: { template: { spec: ${pod('a:1')} } }`,
  DaemonSet: `kind: DaemonSet\nspec: { template: { spec: ${pod('a:1')} } }`,
  ReplicaSet: `kind: ReplicaSet\nspec: { template: { spec: ${pod('a:1')} } }`,
  ReplicationController: `kind: ReplicationController\nspec: { template: { spec: ${pod('a:1')} } }`,
  PodTemplate: `kind: PodTemplate\ntemplate: { spec: ${pod('a:1')} }`,
  Job: `kind: Job\nspec: { template: { spec: ${pod('a:1')} } }`,
  CronJob: `kind: CronJob\nspec: { jobTemplate: { spec: { template: { spec: ${pod('a:1')} } } } }`,
  'custom resource with a pod template': `kind: Rollout\nspec: { workload: { template: { spec: ${pod('a:1')} } } }`,
  'init container': 'kind: Pod\nspec: { initContainers: [{ name: i, image: "a:1" }] }',
  'ephemeral container': 'kind: Pod\nspec: { ephemeralContainers: [{ name: i, image: "a:1" }] }',
  'image volume': 'kind: Pod\nspec: { volumes: [{ name: v, image: { reference: "a:1" } }] }',
})) {
  test(`the image of a ${kind} is found`, (t) => {
    t.deepEqual(imagesInManifests(yaml, 'test'), ['docker.io/library/a:1']);
  });
}

test('images of several documents are listed once each, sorted and fully qualified', (t) => {
  const yaml = ['b', 'ghcr.io/x/a@sha256:' + '0'.repeat(64), 'b:latest'].map((image) => `spec: ${pod(image)}`);
  t.deepEqual(imagesInManifests(yaml.join('\n---\n'), 'test'), [
    'docker.io/library/b:latest',
    `ghcr.io/x/a@sha256:${'0'.repeat(64)}`,
  ]);
});

test('an image elsewhere is none', (t) => {
  t.deepEqual(imagesInManifests('kind: ConfigMap\ndata: { image: "a:1" }\n---\n', 'test'), []);
});

test('what is no reference, or no YAML, is refused', (t) => {
  t.throws(() => imagesInManifests(`spec: ${pod('A B')}`, 'test'), { code: 'CHART_INVALID' });
  t.throws(() => imagesInManifests('{', 'test'), { code: 'CHART_INVALID' });
});

test("the list of images is that of the rendered charts, for every one of Sealift's charts", async (t) => {
  const helm = builtHelm();
  if (helm === undefined) {
    t.log('skipped: there is no helm on this machine');
    t.pass();
    return;
  }
  const folders = await chartFolders(charts);
  t.true(folders.length >= 8);
  for (const folder of folders) {
    const rendered = await helmRenderer(helm)(
      await readChart(folder),
      STACK_RENDER_VALUES[path.basename(folder)] ?? {},
    );
    // Found in another way: every line of the rendered text that gives an image.
    const lines = [...rendered.matchAll(/^\s*(?:- )?image: *"?([^"\s{]+)"?\s*$/gm)].map(([, image = '']) => image);
    const named = [...new Set(lines.map((image) => formatImageReference(parseImageReference(image))))].sort();
    t.deepEqual(imagesInManifests(rendered, folder), named, folder);
    t.true(named.length > 0, folder);
  }
});

test('a chart that helm refuses is an error that says why', async (t) => {
  const helm = builtHelm();
  if (helm === undefined) {
    t.log('skipped: there is no helm on this machine');
    t.pass();
    return;
  }
  const rekor = await readChart(path.join(charts, 'rekor'));
  const error = await t.throwsAsync(helmRenderer(helm)(rekor, {}), { code: 'CHART_INVALID' });
  t.regex(error.message, /treeId/);
});

test('a helm that is not there is an error that says so', async (t) => {
  const rekor = await readChart(path.join(charts, 'rekor'));
  await t.throwsAsync(helmRenderer('/nowhere/helm')(rekor, {}), { code: 'HELM_MISSING' });
});
