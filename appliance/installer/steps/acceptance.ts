import { readFile } from 'node:fs/promises';

import { registryClient } from '../../../mirror/registry-client.ts';
import type { RepositoryClient } from '../../../mirror/registry-port.ts';
import { IMAGES, imageValue, registryHost } from '../../config/helm-values.ts';
import { isKubeError } from '../../kube/kube-error.ts';
import { KINDS, type KubeObject, refOf } from '../../kube/kube-object.ts';
import { waitReady } from '../../kube/wait-ready.ts';
import { MODES_CONFIG_MAP } from '../../webhook/namespace-modes.ts';
import { ACCEPTANCE_REPOSITORY, pushFreshImage } from '../acceptance-images.ts';
import { ACCEPTANCE, ACCEPTANCE_NAMESPACE, cosignPod, type SigningPods, sigstoreJsPod } from '../acceptance-pods.ts';
import { readSiteCa } from '../certificate-authorities.ts';
import { readState, writeState } from '../install-state.ts';
import { InstallerError } from '../installer-error.ts';
import { setMode } from '../namespace-modes.ts';
import { MANAGED } from '../secrets.ts';
import { withServicePort } from '../service-connection.ts';
import { SEALIFT, STACK, serviceHost } from '../site-names.ts';
import { DONE, type InstallWorld, missing, type Step, type Tell } from '../step.ts';
import { rootV1 } from './tuf.ts';

const COSIGN = 'ghcr.io/sigstore/cosign/cosign';
const ADMISSION_TRIES = 30;

interface FreshImages {
  readonly byJs: string;
  readonly byCosign: string;
  readonly unsigned: string;
}

/** Everything that the test makes; taken away again, also after a run that was killed. */
const LEFTOVERS = [
  { kind: KINDS.pod, namespace: STACK, name: `${ACCEPTANCE}-js` },
  { kind: KINDS.pod, namespace: STACK, name: `${ACCEPTANCE}-cosign` },
  { kind: KINDS.clusterImagePolicy, name: ACCEPTANCE },
  { kind: KINDS.serviceAccount, namespace: STACK, name: ACCEPTANCE },
  { kind: KINDS.configMap, namespace: STACK, name: ACCEPTANCE },
  { kind: KINDS.namespace, name: ACCEPTANCE_NAMESPACE },
];

async function withRepository<T>(world: InstallWorld, use: (repository: RepositoryClient) => Promise<T>): Promise<T> {
  const { registry } = world.config;
  const host = registryHost(world.config);
  const name = { host, repository: ACCEPTANCE_REPOSITORY };
  if (registry.kind === 'external') {
    const ca = registry.caFile === undefined ? {} : { ca: await readFile(registry.caFile, 'utf8') };
    return withClient(ca, name, use);
  }
  const pods = { namespace: SEALIFT, labelSelector: 'app.kubernetes.io/instance=registry', port: 5000 };
  const ca = (await readSiteCa(world)) ?? '';
  return withServicePort(world, pods, (port) =>
    withClient({ ca, mirrors: { [host]: `https://127.0.0.1:${port}` } }, name, use),
  );
}

async function withClient<T>(
  options: Parameters<typeof registryClient>[0],
  name: { host: string; repository: string },
  use: (repository: RepositoryClient) => Promise<T>,
): Promise<T> {
  const client = registryClient(options);
  try {
    return await use(client.repository(name));
  } finally {
    await client.close();
  }
}

async function pushImages(world: InstallWorld): Promise<FreshImages> {
  const name = `${registryHost(world.config)}/${ACCEPTANCE_REPOSITORY}`;
  return withRepository(world, async (repository) => ({
    byJs: `${name}@${await pushFreshImage(repository, 'sigstore-js')}`,
    byCosign: `${name}@${await pushFreshImage(repository, 'cosign')}`,
    unsigned: `${name}@${await pushFreshImage(repository, 'unsigned')}`,
  }));
}

async function signingPods(world: InstallWorld, { byJs, byCosign }: FreshImages): Promise<SigningPods> {
  const { config, bundle, facts } = world;
  const url = (service: string): string => `https://${serviceHost(service, STACK, config.site.clusterDomain)}`;
  const reference = ({ repository, digest }: { repository: string; digest: string }): string =>
    `${repository}@${digest}`;
  const cosign = bundle.images.find(({ repository }) => repository === COSIGN);
  return {
    sealiftImage: reference(imageValue(bundle.images, IMAGES.sealift)),
    cosignImage: cosign === undefined ? undefined : reference(cosign),
    byJs,
    byCosign,
    urls: { fulcio: url('fulcio'), rekor: url('rekor'), tsa: url('tsa'), tuf: url('tuf') },
    issuer: facts.issuer?.issuer ?? '',
    audience: config.issuer.clientId,
    identity: `https://kubernetes.io/namespaces/${STACK}/serviceaccounts/${ACCEPTANCE}`,
  };
}

async function prepareSigning(world: InstallWorld): Promise<void> {
  const root = await rootV1(world);
  if (root === undefined) throw new InstallerError('STEP_UNFINISHED', 'there is no trust repository');
  const metadata = { namespace: STACK, name: ACCEPTANCE, labels: MANAGED };
  await world.cluster.apply({ ...KINDS.serviceAccount, metadata, automountServiceAccountToken: false });
  await world.cluster.apply({ ...KINDS.configMap, metadata, data: { 'root.json': root.toString('utf8') } });
}

async function runPod(world: InstallWorld, pod: KubeObject, tell: Tell): Promise<void> {
  await world.cluster.create(pod);
  await waitReady(world.cluster, refOf(pod), {
    timeoutMs: world.readyTimeoutMs,
    signal: world.signal,
    onProgress: (message) => tell(`${pod.metadata.name}: ${message}`),
    judge: (object) => {
      const phase = (object?.status as { phase?: string } | undefined)?.phase ?? 'not there yet';
      return { state: phase === 'Succeeded' ? 'ready' : phase === 'Failed' ? 'failed' : 'waiting', message: phase };
    },
  });
}

function policy({ identity, issuer }: SigningPods, host: string): KubeObject {
  return {
    ...KINDS.clusterImagePolicy,
    metadata: { name: ACCEPTANCE, labels: MANAGED },
    spec: {
      mode: 'enforce',
      images: [{ glob: `${host}/${ACCEPTANCE_REPOSITORY}` }],
      authorities: [{ name: 'site', keyless: { trustRootRef: 'site', identities: [{ issuer, subject: identity }] } }],
    },
  };
}

function workload(image: string): KubeObject {
  return {
    ...KINDS.pod,
    metadata: { name: 'acceptance', namespace: ACCEPTANCE_NAMESPACE },
    spec: { containers: [{ name: 'main', image, command: ['/true'] }] },
  };
}

/** Asks for admission without making anything. @returns why it was refused; `undefined` when it was admitted. */
async function refusalOf({ cluster }: InstallWorld, image: string): Promise<string | undefined> {
  try {
    await cluster.create(workload(image), { dryRun: true });
    return undefined;
  } catch (error) {
    // Admission answers 403, 400 for some webhooks; a namespace that has no service account yet is 403 as well.
    if (isKubeError(error, 'FORBIDDEN', 'INVALID')) return error.message;
    throw error;
  }
}

/** Replicas take policy and mode up within moments, each on its own: asks until the answer is the expected one. */
async function expectAdmission(world: InstallWorld, image: string, expected: 'admitted' | RegExp): Promise<void> {
  let last: string | undefined;
  for (let attempt = 0; attempt < ADMISSION_TRIES; attempt += 1) {
    last = await refusalOf(world, image);
    if (expected === 'admitted' ? last === undefined : last !== undefined && expected.test(last)) return;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    world.signal.throwIfAborted();
  }
  const wanted = expected === 'admitted' ? 'admitted' : 'refused for want of a signature';
  throw new InstallerError('ACCEPTANCE_FAILED', `${image} should be ${wanted}: ${last ?? 'it was admitted'}`, {
    fix: `kubectl --namespace ${SEALIFT} logs --selector app.kubernetes.io/name=webhook`,
  });
}

async function cleanUp({ cluster }: InstallWorld): Promise<void> {
  for (const ref of LEFTOVERS) await cluster.delete(ref);
  const modes = { kind: KINDS.configMap, ...MODES_CONFIG_MAP };
  const present = await cluster.get(modes);
  if (present?.data?.[ACCEPTANCE_NAMESPACE] === undefined) return;
  await cluster.patch(modes, { type: 'merge', body: { data: { [ACCEPTANCE_NAMESPACE]: null } } });
}

/** Waits until what an earlier run left is gone: names are taken until then. */
async function awaitGone(world: InstallWorld): Promise<void> {
  for (const ref of LEFTOVERS) {
    const judge = (object: KubeObject | undefined) =>
      ({ state: object === undefined ? 'ready' : 'waiting', message: 'still being deleted' }) as const;
    if (ref.kind === KINDS.clusterImagePolicy) continue;
    await waitReady(world.cluster, ref, { timeoutMs: world.readyTimeoutMs, signal: world.signal, judge });
  }
}

async function prove(world: InstallWorld, tell: Tell): Promise<void> {
  const images = await pushImages(world);
  const pods = await signingPods(world, images);
  await prepareSigning(world);
  await runPod(world, sigstoreJsPod(pods), tell);
  tell('sigstore-js signed and verified');
  if (pods.cosignImage === undefined) tell('the bundle brings no cosign: left out');
  else {
    await runPod(world, cosignPod(pods, pods.cosignImage), tell);
    tell('cosign signed and verified, and verified what sigstore-js signed');
  }
  await world.cluster.apply({ ...KINDS.namespace, metadata: { name: ACCEPTANCE_NAMESPACE, labels: MANAGED } });
  await setMode(world.cluster, ACCEPTANCE_NAMESPACE, 'enforce');
  await world.cluster.apply(policy(pods, registryHost(world.config)));
  await expectAdmission(world, images.byJs, 'admitted');
  if (pods.cosignImage !== undefined) await expectAdmission(world, images.byCosign, 'admitted');
  tell('signed images are admitted');
  await expectAdmission(world, images.unsigned, /NO_SIGNATURE/);
  tell('an unsigned image is refused');
}

/** The proof: the site signs with clients that nobody here wrote, admits what it signed, and refuses what it didn't. */
export const acceptance: Step = {
  id: 'acceptance',
  title: 'Acceptance: sign, verify, admit, refuse',
  pods: { namespace: STACK, labelSelector: `app.kubernetes.io/name=${ACCEPTANCE}` },
  look: async ({ cluster, bundle }) =>
    (await readState(cluster)).accepted === bundle.digest ? DONE : missing('not proved with this bundle'),
  act: async (world, tell) => {
    await cleanUp(world);
    await awaitGone(world);
    await prove(world, tell);
    await cleanUp(world);
    await writeState(world.cluster, { accepted: world.bundle.digest });
  },
};
