import test from 'ava';

import { MemoryCluster } from '../../../appliance/kube/cluster-memory.ts';
import { KINDS, type KubeObject } from '../../../appliance/kube/kube-object.ts';
import { surveyWorkloads } from '../../../appliance/webhook/survey.ts';
import { askWebhook } from '../../../appliance/webhook/webhook-client.ts';
import { podSpec } from './support/reviews.ts';
import { site } from './support/site.ts';

const deployment = (name: string, namespace: string, image: string): KubeObject => ({
  ...KINDS.deployment,
  metadata: { name, namespace },
  spec: { template: { spec: podSpec(image) } },
});

test('what would be refused is listed, in warn and in enforce, without what controllers made', async (t) => {
  const cluster = new MemoryCluster();
  const { pushed, sync, start } = await site(t, cluster);
  const bad = await pushed('ghcr.io/team/bad', false);
  await pushed('ghcr.io/team/good', true);
  await sync('ghcr.io/team/good:v1', 'ghcr.io/team/bad:v1');
  await cluster.create(deployment('good', 'lab', 'ghcr.io/team/good:v1'));
  await cluster.create(deployment('bad', 'lab', 'ghcr.io/team/bad:v1'));
  await cluster.create(deployment('bad', 'shop', 'ghcr.io/team/bad:v1'));
  await cluster.create(deployment('own', 'sealift-system', 'ghcr.io/team/bad:v1'));
  const owned = { name: 'bad-1', namespace: 'lab', ownerReferences: [{ kind: 'ReplicaSet', name: 'bad' }] };
  await cluster.create({ ...KINDS.pod, metadata: owned, spec: podSpec(`ghcr.io/team/bad@${bad}`) });
  await cluster.create({
    ...KINDS.pod,
    metadata: { name: 'alone', namespace: 'lab' },
    spec: podSpec(`ghcr.io/team/bad@${bad}`),
  });
  const { port, ca } = await start();
  const address = { host: '127.0.0.1', port, ca, serverName: 'localhost' };
  const survey = await surveyWorkloads(cluster, async (request) => await askWebhook(address, request), {
    exempt: ['sealift-system'],
  });
  t.is(survey.judged, 4);
  t.deepEqual(
    survey.refused.map(({ namespace, kind, name }) => `${namespace}/${kind}/${name}`),
    ['lab/Deployment/bad', 'lab/Pod/alone', 'shop/Deployment/bad'],
  );
  for (const { reasons } of survey.refused) t.regex(reasons, /NO_SIGNATURE/);
});

test('a webhook that is not there, or whose name is another, is WEBHOOK_UNREACHABLE', async (t) => {
  const { start } = await site(t);
  const { port, ca } = await start();
  const address = { host: '127.0.0.1', port, ca, serverName: 'localhost' };
  const gone = askWebhook({ ...address, port: 1 }, { uid: 'x' });
  await t.throwsAsync(gone, { code: 'WEBHOOK_UNREACHABLE' });
  const other = askWebhook({ ...address, serverName: 'webhook.other.svc' }, { uid: 'x' });
  await t.throwsAsync(other, { code: 'WEBHOOK_UNREACHABLE' });
});
