import { randomUUID } from 'node:crypto';
import test from 'ava';
import { BUSYBOX_IMAGE } from '../../../scripts/lab/images.ts';
import { bootId, killNode, kubectl, outsidePackets, startNode, waitForNode } from '../../../scripts/lab/lab.ts';
import { NODE_NAMES } from '../../../scripts/lab/layout.ts';
import { waitUntil } from '../../../scripts/lab/wait.ts';
import { siteLab } from '../support/site.ts';

const namespace = `lab-${randomUUID().slice(0, 8)}`;

/** A pod on `node` that runs `script` in a shell. */
function pod(name: string, node: string, options: { script: string; spec?: object; container?: object }): object {
  const container = { name: 'main', image: BUSYBOX_IMAGE, command: ['sh', '-c', options.script] };
  const spec = { nodeName: node, terminationGracePeriodSeconds: 0, restartPolicy: 'OnFailure', ...options.spec };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { app: 'web' } },
    spec: { ...spec, containers: [{ ...container, ...options.container }] },
  };
}

async function apply(...items: object[]): Promise<void> {
  await kubectl(await siteLab(), ['apply', '-f', '-'], {
    input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
  });
}

async function inNamespace(...args: string[]): Promise<string> {
  return (await kubectl(await siteLab(), ['-n', namespace, ...args])).stdout.trim();
}

/** What `script` prints in the pod `web-<node>`. */
async function inPod(node: string, script: string): Promise<string> {
  return await inNamespace('exec', `web-${node}`, '--', 'sh', '-c', script);
}

const serve = (node: string) => `mkdir /www; echo ${node} > /www/index.html; exec httpd -f -p 8080 -h /www`;

test.before('a web server on each node, behind one service', async () => {
  await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  await waitUntil('the namespace’s service account', {
    timeoutMs: 30_000,
    probe: async () => (await inNamespace('get', 'serviceaccount', 'default', '-o', 'name')) !== '',
  });
  const ports = [{ port: 80, targetPort: 8080 }];
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'web', namespace } };
  await apply({ ...service, spec: { selector: { app: 'web' }, ports } });
  await apply(...NODE_NAMES.map((node) => pod(`web-${node}`, node, { script: serve(node) })));
  await inNamespace('wait', 'pod', '-l', 'app=web', '--for=condition=Ready', '--timeout=60s');
});

test.after.always('take the namespace away', async () => {
  await kubectl(await siteLab(), ['delete', 'namespace', namespace, '--wait=false', '--ignore-not-found']);
});

test('a service leads to the pods of both nodes, from both, by its name', async (t) => {
  for (const node of NODE_NAMES) {
    const answers = await inPod(node, 'for i in $(seq 40); do timeout 5 wget -qO- http://web; done');
    t.deepEqual([...new Set(answers.split('\n'))].sort(), [...NODE_NAMES], node);
  }
});

test('a name from outside doesn’t exist', async (t) => {
  t.regex(await inPod('node-1', 'nslookup example.com 2>&1; true'), /NXDOMAIN/);
});

test('a pod can’t reach an address outside, and its tries are counted at its node', async (t) => {
  const lab = await siteLab();
  const before = await outsidePackets(lab);
  await inPod('node-1', 'timeout 2 wget -qO- http://192.0.2.1/ || true');
  const after = await outsidePackets(lab);
  t.true((after.byPlace['node-1']?.packets ?? 0) > (before.byPlace['node-1']?.packets ?? 0));
  t.true(after.byPlace['node-1']?.flows.some(({ to }) => to === '192.0.2.1'));
});

test('a claim holds the same files for a pod without root on either node', async (t) => {
  const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
  await apply({ apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 'data', namespace }, spec: claim });
  const spec = {
    securityContext: { runAsUser: 1000 },
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
  };
  const container = { volumeMounts: [{ name: 'data', mountPath: '/data' }] };
  await apply(pod('writer', 'node-1', { script: 'echo kept > /data/file', spec, container }));
  await inNamespace('wait', 'pod/writer', '--for=jsonpath={.status.phase}=Succeeded', '--timeout=60s');
  await apply(pod('reader', 'node-2', { script: 'cat /data/file', spec, container }));
  await inNamespace('wait', 'pod/reader', '--for=jsonpath={.status.phase}=Succeeded', '--timeout=60s');
  t.is(await inNamespace('logs', 'reader'), 'kept');
});

test('a pod sees its node’s boot id through a hostPath', async (t) => {
  const lab = await siteLab();
  const spec = { volumes: [{ name: 'boot', hostPath: { path: '/proc/sys/kernel/random/boot_id', type: 'File' } }] };
  const container = { volumeMounts: [{ name: 'boot', mountPath: '/boot-id', readOnly: true }] };
  await apply(pod('boot', 'node-1', { script: 'cat /boot-id', spec, container }));
  await inNamespace('wait', 'pod/boot', '--for=jsonpath={.status.phase}=Succeeded', '--timeout=60s');
  t.is(await inNamespace('logs', 'boot'), await bootId(lab, 'node-1'));
  t.not(await bootId(lab, 'node-1'), await bootId(lab, 'node-2'));
});

test('a node whose power is cut comes back under another boot id, and its pods start again', async (t) => {
  const lab = await siteLab();
  const restarts = '{.status.containerStatuses[0].restartCount}';
  const before = await bootId(lab, 'node-2');
  const restarted = await inNamespace('get', 'pod', 'web-node-2', '-o', `jsonpath=${restarts}`);
  await killNode(lab, 'node-2');
  await startNode(lab, 'node-2');
  await waitForNode(lab, 'node-2');
  t.not(await bootId(lab, 'node-2'), before);
  await waitUntil('the pod to be started again', {
    timeoutMs: 90_000,
    probe: async () => {
      const now = await inNamespace('get', 'pod', 'web-node-2', '-o', `jsonpath=${restarts} {.status.phase}`);
      return now === `${Number(restarted) + 1} Running`;
    },
  });
  await waitUntil('it to serve again', {
    timeoutMs: 60_000,
    probe: async () => (await inPod('node-2', 'timeout 5 wget -qO- http://127.0.0.1:8080/')) === 'node-2',
  });
});
