import { z } from 'zod';

import { sha256Hex } from '../../../trust-root/tuf-client.ts';
import { webhookValues } from '../../config/helm-values.ts';
import type { HelmValues } from '../../helm/helm.ts';
import { releaseDigest } from '../../helm/release-digest.ts';
import { KINDS } from '../../kube/kube-object.ts';
import { waitReady } from '../../kube/wait-ready.ts';
import { readSiteCa } from '../certificate-authorities.ts';
import { chartStep } from '../chart-step.ts';
import { InstallerError } from '../installer-error.ts';
import { kubeSystemImages } from '../kube-system-images.ts';
import { ensureModes, lookAtModes } from '../namespace-modes.ts';
import { SEALIFT, STACK } from '../site-names.ts';
import type { InstallWorld, Step, Tell } from '../step.ts';
import { wouldBeRefused } from '../would-be-refused.ts';
import { rootV1 } from './tuf.ts';

const RELEASE = { name: 'webhook', namespace: SEALIFT };
const DEPLOYMENT = { kind: KINDS.deployment, ...RELEASE };
const registered = z.looseObject({ register: z.boolean().default(false) });

async function values(world: InstallWorld): Promise<HelmValues> {
  const root = await rootV1(world);
  const ca = await readSiteCa(world);
  if (root === undefined || ca === undefined)
    throw new InstallerError('STEP_UNFINISHED', 'there is no trust repository');
  return webhookValues(world.config, {
    images: world.bundle.images,
    podAnnotations: {},
    rootSha256: sha256Hex(root),
    caBundle: Buffer.from(ca).toString('base64'),
    kubeSystemImages: await kubeSystemImages(world.cluster, world.helm),
  });
}

/**
 * Brings the webhook up before it stands in the API server's way: a webhook that is registered and not ready refuses
 * every workload, its own pods' neighbours included.
 */
async function startUnregistered(world: InstallWorld, tell: Tell): Promise<void> {
  await ensureModes(world);
  const present = registered.parse((await world.helm.values(RELEASE)) ?? {});
  if (present.register) return;
  tell('starting, not yet registered');
  const chart = await world.bundle.chart(RELEASE.name);
  const deployment = { ...RELEASE, chart, values: { ...(await values(world)), register: false } };
  await world.helm.deploy(deployment, await releaseDigest(deployment));
  const onProgress = (message: string): void => tell(`webhook: ${message}`);
  await waitReady(world.cluster, DEPLOYMENT, { timeoutMs: world.readyTimeoutMs, signal: world.signal, onProgress });
  tell('ready, registering');
}

/** Namespaces that were there before start in warn: says what enforcing would refuse in each. */
async function listRefused({ cluster, facts }: InstallWorld, tell: Tell): Promise<void> {
  const exempt = new Set([SEALIFT, STACK, 'kube-system', 'kube-node-lease', 'kube-public']);
  for (const namespace of facts.namespaces.filter((name) => !exempt.has(name))) {
    for (const { what, why } of await wouldBeRefused(cluster, namespace))
      tell(`in ${namespace}, enforcing would refuse ${what}: ${why}`, true);
  }
}

/** The webhook: judges every workload from here on, warning where nothing else was asked for. */
export const webhook: Step = chartStep({
  title: 'Admission webhook',
  release: RELEASE,
  workloads: [{ kind: KINDS.deployment, name: 'webhook' }],
  lookBefore: lookAtModes,
  prepare: startUnregistered,
  values,
  verify: listRefused,
});
