import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import type { TestFn } from 'ava';

import type { ChartRelease, Helm } from '../../appliance/helm/helm.ts';
import { HelmError } from '../../appliance/helm/helm-error.ts';

/** Helm, and a look at what it left in the cluster: the greeting in the ConfigMap that the chart makes. */
export interface HelmWorld {
  readonly helm: Helm;
  readonly greeting: (release: { name: string; namespace: string }) => Promise<string | undefined>;
}

const DIGEST_A = `sha256:${'a'.repeat(64)}`;
const DIGEST_B = `sha256:${'b'.repeat(64)}`;

const FILES: Readonly<Record<string, string>> = {
  'Chart.yaml': 'apiVersion: v2\nname: greeting\nversion: 0.1.0\n',
  'values.yaml': 'greeting: hello\n',
  'values.schema.json': JSON.stringify({ type: 'object', properties: { greeting: { type: 'string' } } }),
  'templates/configmap.yaml':
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n  namespace: {{ .Release.Namespace }}\n' +
    'data:\n  greeting: {{ .Values.greeting | quote }}\n',
};

/** Writes the chart that the contract deploys, and takes it away after the tests. */
export async function greetingChart(test: TestFn): Promise<string> {
  const made = mkdtemp(path.join(tmpdir(), 'sealift-chart-'));
  test.after.always(async () => {
    await rm(await made, { recursive: true, force: true });
  });
  const folder = await made;
  const chart = path.join(folder, 'greeting');
  await mkdir(path.join(chart, 'templates'), { recursive: true });
  for (const [name, content] of Object.entries(FILES)) await writeFile(path.join(chart, name), content);
  return chart;
}

/** What every {@link Helm} does. */
export function helmContract(test: TestFn, name: string, open: () => Promise<HelmWorld>): void {
  const chart = greetingChart(test);
  const releaseOf = async (greeting: unknown): Promise<ChartRelease> => ({
    name: `r-${randomBytes(5).toString('hex')}`,
    namespace: 'default',
    chart: await chart,
    values: { greeting },
  });

  test(`${name}: a template bears the values`, async (t) => {
    const { helm } = await open();
    t.regex(await helm.template(await releaseOf('moin')), /greeting"?: ?"moin"/);
  });

  test(`${name}: a release that is not there is undefined`, async (t) => {
    const { helm } = await open();
    t.is(await helm.release({ name: 'nobody', namespace: 'default' }), undefined);
  });

  test(`${name}: a deployed release is there with its digest`, async (t) => {
    const { helm, greeting } = await open();
    const release = await releaseOf('moin');
    t.is(await helm.deploy(release, DIGEST_A), 'deployed');
    t.like(await helm.release(release), { revision: 1, status: 'deployed', digest: DIGEST_A });
    t.is(await greeting(release), 'moin');
  });

  test(`${name}: the same digest again changes nothing`, async (t) => {
    const { helm } = await open();
    const release = await releaseOf('moin');
    await helm.deploy(release, DIGEST_A);
    t.is(await helm.deploy(release, DIGEST_A), 'unchanged');
    t.is((await helm.release(release))?.revision, 1);
  });

  test(`${name}: another digest makes the next revision`, async (t) => {
    const { helm, greeting } = await open();
    const release = await releaseOf('moin');
    await helm.deploy(release, DIGEST_A);
    t.is(await helm.deploy({ ...release, values: { greeting: 'servus' } }, DIGEST_B), 'deployed');
    t.is((await helm.release(release))?.revision, 2);
    t.is(await greeting(release), 'servus');
  });

  test(`${name}: the values of a release can be read back`, async (t) => {
    const { helm } = await open();
    const release = await releaseOf('moin');
    await helm.deploy(release, DIGEST_A);
    t.deepEqual(await helm.values(release), { greeting: 'moin' });
  });

  test(`${name}: an uninstalled release is gone with what it made`, async (t) => {
    const { helm, greeting } = await open();
    const release = await releaseOf('moin');
    await helm.deploy(release, DIGEST_A);
    t.true(await helm.uninstall(release));
    t.is(await helm.release(release), undefined);
    t.is(await greeting(release), undefined);
    t.false(await helm.uninstall(release));
  });

  test(`${name}: values that the chart's schema refuses are refused by name`, async (t) => {
    const { helm } = await open();
    await t.throwsAsync(helm.deploy(await releaseOf(5), DIGEST_A), { instanceOf: HelmError, code: 'VALUES_INVALID' });
  });

  test(`${name}: a chart that is not there is refused`, async (t) => {
    const { helm } = await open();
    const release = { ...(await releaseOf('moin')), chart: '/nonexistent/chart' };
    await t.throwsAsync(helm.template(release), { instanceOf: HelmError, code: 'CHART_INVALID' });
  });
}
