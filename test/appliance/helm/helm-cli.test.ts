import { randomBytes } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';

import test from 'ava';

import { HelmCli } from '../../../appliance/helm/helm-cli.ts';
import { HelmError } from '../../../appliance/helm/helm-error.ts';
import type { Cluster } from '../../../appliance/kube/cluster.ts';
import { connectCluster } from '../../../appliance/kube/connect.ts';
import { KINDS, type KubeObject, refOf } from '../../../appliance/kube/kube-object.ts';
import { greetingChart, type HelmWorld, helmContract } from '../../contracts/helm.ts';
import { apiServerBinaries, labBinary, startApiServer, type TestApiServer } from '../../support/api-server.ts';

const binaries = await apiServerBinaries();
const binary = await labBinary('helm');
let started: Promise<TestApiServer> | undefined;

/** Writes a release's record as a Helm that was killed in the middle of an installation leaves it. */
async function markPending(cluster: Cluster, secret: KubeObject | undefined): Promise<void> {
  if (secret === undefined) throw new Error('the release has no record');
  // Helm keeps base64 of gzip of JSON, in a Secret, which is base64 again.
  const inner = Buffer.from(Buffer.from(secret.data?.['release'] ?? '', 'base64').toString('utf8'), 'base64');
  const record = JSON.parse(gunzipSync(inner).toString('utf8')) as { info: Record<string, unknown> };
  record.info['status'] = 'pending-install';
  const text = gzipSync(Buffer.from(JSON.stringify(record))).toString('base64');
  const body = {
    metadata: { labels: { status: 'pending-install' } },
    data: { release: Buffer.from(text).toString('base64') },
  };
  await cluster.patch(refOf(secret), { type: 'merge', body });
}

async function open(): Promise<HelmWorld & { kubeconfig: string }> {
  if (binaries === undefined || binary === undefined) throw new Error('the programs of the lab are not here');
  started ??= startApiServer(binaries);
  const { kubeconfig } = await started;
  const cluster = connectCluster({ kubeconfig });
  const deleteSecret = (name: { name: string; namespace: string }): Promise<boolean> =>
    cluster.delete({ kind: KINDS.secret, ...name });
  return {
    kubeconfig,
    helm: new HelmCli({ binary, kubeconfig, deleteSecret }),
    greeting: async (name) => (await cluster.get({ kind: KINDS.configMap, ...name }))?.data?.['greeting'],
  };
}

test.after.always(async () => {
  await (await started?.catch(() => undefined))?.stop();
});

test('a helm that is not there is named', async (t) => {
  const helm = new HelmCli({ binary: '/nonexistent/helm', deleteSecret: () => Promise.resolve() });
  await t.throwsAsync(helm.list('default'), { instanceOf: HelmError, code: 'HELM_MISSING', message: /nonexistent/ });
});

if (binaries === undefined || binary === undefined) {
  test('real helm: left out, the programs of the lab are not on this machine', (t) => {
    t.pass();
  });
} else {
  const chart = greetingChart(test);
  test.before(async (t) => {
    t.timeout(120_000);
    await open();
  });
  helmContract(test, 'real helm', open);

  test('real helm: what a killed helm left pending is taken over', async (t) => {
    const { helm, kubeconfig, greeting } = await open();
    const release = {
      name: `r-${randomBytes(5).toString('hex')}`,
      namespace: 'default',
      chart: await chart,
      values: {},
    };
    await helm.deploy(release, `sha256:${'a'.repeat(64)}`);
    const cluster = connectCluster({ kubeconfig });
    const secret = await cluster.get({
      kind: KINDS.secret,
      namespace: 'default',
      name: `sh.helm.release.v1.${release.name}.v1`,
    });
    await markPending(cluster, secret);
    t.is((await helm.release(release))?.status, 'pending');
    t.is(await helm.deploy(release, `sha256:${'a'.repeat(64)}`), 'deployed');
    t.like(await helm.release(release), { status: 'deployed' });
    t.is(await greeting(release), 'hello');
  });
}
