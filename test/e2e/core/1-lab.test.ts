import test from 'ava';

import { kubectl, outsidePackets, sendOutside } from '../../../scripts/lab/lab.ts';
import { siteLab } from '../support/site.ts';

test.serial('the lab is a Kubernetes of two Ready nodes', async (t) => {
  const lab = await siteLab();
  const query = '{range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status} {end}';
  const { stdout } = await kubectl(lab, ['get', 'nodes', '-o', `jsonpath=${query}`]);
  t.is(stdout.trim(), 'node-1=True node-2=True');
});

test.serial('its service-account issuer is what kubeadm sets', async (t) => {
  const lab = await siteLab();
  const { stdout } = await kubectl(lab, ['get', '--raw', '/.well-known/openid-configuration']);
  t.is((JSON.parse(stdout) as { issuer: string }).issuer, 'https://kubernetes.default.svc.cluster.local');
});

test.serial('a packet for an address outside the cluster is counted, and gets nowhere', async (t) => {
  const lab = await siteLab();
  const before = await outsidePackets(lab);
  await sendOutside(lab, 'node-2');
  const after = await outsidePackets(lab);
  t.is(after.packets, before.packets + 1);
});
