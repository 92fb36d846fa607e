import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { addonManifests } from './addons.ts';
import { ensureBinaries } from './build-binaries.ts';
import { cacheFolder } from './cache.ts';
import { makeCgroup } from './cgroups.ts';
import { connectedMissing, prepareConnected, startConnected } from './connected/connected.ts';
import { startControlPlane } from './control-plane.ts';
import { placeCgroup } from './daemon.ts';
import { ensureDebianPackages } from './debian-packages.ts';
import { withFileLock } from './file-lock.ts';
import { endedDaemon, isLabHealthy, readyNodes } from './health.ts';
import { ensureLabImages } from './images.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { kubectl } from './lab.ts';
import { describeLab, type LabState, loadLab, saveLab } from './lab-state.ts';
import { type LabLayout, labLayout, NODE_NAMES } from './layout.ts';
import { makeNetwork } from './network.ts';
import { bootNode, importImage, makeNode, startKubelet } from './node.ts';
import { makePki } from './pki.ts';
import type { Progress } from './steps.ts';
import { takeDown } from './take-down.ts';
import { waitUntil } from './wait.ts';

/** The programs that a lab itself runs; the others are for its connected side and its tests. */
const LAB_BINARIES = [
  'pause',
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
  'kubectl',
  'coredns',
] as const;

/**
 * Brings up the lab called `name`, from whatever is there: nothing, a half-made lab (taken down first), or the lab up
 * and healthy (left as it is).
 * @throws LabError `STEP_FAILED`: which step, and where its log is.
 */
export async function bringUp(name: string, progress: Progress): Promise<LabState> {
  const layout = labLayout(name);
  const { step, say } = progress;
  await mkdir(cacheFolder(), { recursive: true });
  await step('Debian packages', () => ensureDebianPackages(undefined, say));
  const binaries = await step('programs', () => ensureBinaries(LAB_BINARIES, { say }));
  const archives = await step('images', () => ensureLabImages(binaries));
  // Outside of the lock: the first time it builds for minutes.
  await step('what the connected side is made of', () => prepareConnected(say));
  const onWait = () => say('waiting for another lab to come up or go down');
  return await withFileLock(
    path.join(cacheFolder(), 'lab.lock'),
    async () => {
      const lab = await bringUpSite({ layout, binaries, archives }, progress);
      if ((await connectedMissing(layout)).length === 0) return lab;
      await step('connected side', () => startConnected(name, progress));
      return await loadLab(name);
    },
    onWait,
  );
}

/** The disconnected side: the cluster and the operator's host. */
async function bringUpSite(made: Made, progress: Progress): Promise<LabState> {
  const { layout } = made;
  if (await isLabHealthy(layout)) {
    progress.say(`lab ${layout.name} is up already`);
    return await loadLab(layout.name);
  }
  await progress.step('clearing what an earlier lab left', () => takeDown(layout));
  await makeGround(made, progress);
  await startCluster(made, progress);
  return await finishCluster(made, progress);
}

interface Made {
  readonly layout: LabLayout;
  readonly binaries: ReadonlyMap<string, string>;
  readonly archives: readonly string[];
}

async function makeGround({ layout }: Made, { step }: Progress): Promise<void> {
  await mkdir(layout.dir, { recursive: true });
  await step('keys and certificates', () => makePki(layout));
  await step('network', () => makeNetwork(layout));
  for (const place of ['operator', 'connected'] as const) await makeCgroup(placeCgroup(layout, place));
  await writeKubeconfig(layout, 'admin', layout.kubeconfig);
}

async function startCluster({ layout, binaries, archives }: Made, { step }: Progress): Promise<void> {
  await step('control plane', () => startControlPlane(layout, binaries));
  for (const node of NODE_NAMES) {
    await step(`${node}: container runtime and first images`, async () => {
      await makeNode(layout, node);
      await bootNode(layout, node);
      for (const archive of archives) await importImage(layout, node, archive);
    });
    await step(`${node}: kubelet and kube-proxy`, () => startKubelet(layout, node, binaries));
  }
}

async function finishCluster({ layout, binaries }: Made, { step }: Progress): Promise<LabState> {
  const lab = describeLab(layout, binaries);
  await step('cluster DNS and storage', async () => {
    const list = { apiVersion: 'v1', kind: 'List', items: addonManifests() };
    await kubectl(lab, ['apply', '-f', '-'], { input: JSON.stringify(list) });
  });
  const waiting = { timeoutMs: 120_000, hopeless: () => endedDaemon(layout), fix: `see the logs in ${layout.logDir}` };
  await step('nodes Ready', async () => {
    const probe = async () => (await readyNodes(lab)).length === NODE_NAMES.length;
    await waitUntil('both nodes to be Ready', { ...waiting, probe });
  });
  await step('cluster DNS answers', async () => {
    const words = ['rollout', 'status', 'deployment/coredns', '-n', 'kube-system', '--timeout=2s'];
    const probe = async () => (await kubectl(lab, words, { allow: 'any', timeoutMs: 10_000 })).code === 0;
    await waitUntil('CoreDNS to be available', { ...waiting, probe });
  });
  await saveLab(lab);
  return lab;
}
