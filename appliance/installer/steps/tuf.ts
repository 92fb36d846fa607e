import { initialiseRepository } from '../../../trust-root/initialise.ts';
import { publishTargets } from '../../../trust-root/publish.ts';
import { DEFAULT_POLICY } from '../../../trust-root/repository-policy.ts';
import { loadRepository } from '../../../trust-root/repository-state.ts';
import { sha256Hex } from '../../../trust-root/tuf-client.ts';
import { tufValues } from '../../config/helm-values.ts';
import { KINDS, refOf } from '../../kube/kube-object.ts';
import { ConfigMapRepositoryStore, REPOSITORY_LABEL } from '../../kube/repository-store-configmaps.ts';
import { chartStep } from '../chart-step.ts';
import { readState, writeState } from '../install-state.ts';
import { InstallerError } from '../installer-error.ts';
import { targetsChange, wantedTargets } from '../repository-targets.ts';
import { STACK } from '../site-names.ts';
import { firstMissing, type InstallWorld, type Look, missing, type Step, type Tell } from '../step.ts';
import { offlineSigners, onlineSigners, repositoryKeys } from '../tuf-keys.ts';
import { lookAtCapsules, publishCapsules } from '../upstream-capsules.ts';
import { annotationsFor } from './database.ts';
import { lookAtSecrets } from './keys.ts';

/** The repository in the cluster. */
export function siteRepository({ cluster }: Pick<InstallWorld, 'cluster'>): ConfigMapRepositoryStore {
  return new ConfigMapRepositoryStore(cluster, { namespace: STACK });
}

/** Root v1, which nodes and the webhook pin; `undefined` before the repository is made. */
export function rootV1(world: Pick<InstallWorld, 'cluster'>): Promise<Buffer | undefined> {
  return siteRepository(world).read('1.root.json');
}

/** `timestamp.json` is published last: with it a repository is whole, without it nobody has followed it yet. */
async function isWhole(world: InstallWorld): Promise<boolean> {
  return (await siteRepository(world).read('timestamp.json')) !== undefined;
}

/**
 * Clears what a killed run left of a repository that nobody has seen. One that was whole before is never cleared: clients
 * have pinned its root.
 * @throws InstallerError `KEYS_MISSING`.
 */
async function clearHalfMade({ cluster }: InstallWorld): Promise<void> {
  if ((await readState(cluster)).root !== undefined) {
    throw new InstallerError('KEYS_MISSING', 'the TUF repository of this site has lost its timestamp.json', {
      fix: 'restore its ConfigMaps from a backup; a new repository would have a root that no node takes',
    });
  }
  const selection = { namespace: STACK, labelSelector: `${REPOSITORY_LABEL}=site` };
  for (const map of await cluster.list(KINDS.configMap, selection)) await cluster.delete(refOf(map));
}

async function lookAtRepository(world: InstallWorld): Promise<Look> {
  if (!(await isWhole(world))) return missing('the TUF repository');
  const state = await loadRepository(siteRepository(world));
  const change = targetsChange(state, await wantedTargets(world));
  if (change !== undefined) {
    return missing(`targets ${[...(change.set?.keys() ?? []), ...(change.remove ?? [])].join(', ')}`);
  }
  return lookAtCapsules(world, state);
}

async function ensureRepository(world: InstallWorld, tell: Tell): Promise<void> {
  const store = siteRepository(world);
  const targets = await wantedTargets(world);
  const { clock } = world;
  if (!(await isWhole(world))) {
    await clearHalfMade(world);
    await initialiseRepository(store, { keys: await repositoryKeys(world), policy: DEFAULT_POLICY, clock, targets });
    tell('root v1 made and published');
  }
  const root = await rootV1(world);
  if (root !== undefined) await writeState(world.cluster, { root: sha256Hex(root) });
  const { snapshot, timestamp } = await onlineSigners(world);
  const context = { store, policy: DEFAULT_POLICY, clock, online: { snapshot, timestamp } };
  const state = await loadRepository(store);
  const change = targetsChange(state, targets);
  if (change !== undefined) {
    const signers = await offlineSigners(world, 'targets', state.root.roles.targets.threshold);
    const { timestampVersion } = await publishTargets(context, state, { change, signers });
    tell(`targets published, timestamp v${timestampVersion}`);
  }
  await publishCapsules(world, context, tell);
}

/**
 * The site's trust as a TUF repository: root v1, trusted root, signing config, policies, upstream trust. It needs keys
 * only, no service, and comes early: nodes pin root v1 from their first moment.
 */
export const repository: Step = {
  id: 'repository',
  title: 'Trust (TUF repository)',
  needsKeys: true,
  look: (world) => firstMissing([() => lookAtSecrets(world), () => lookAtRepository(world)]),
  act: ensureRepository,
};

/** The server that hands the repository out, and the job that signs it again. */
export const tuf: Step = chartStep({
  title: 'Trust server and refresh',
  release: { name: 'tuf', namespace: STACK },
  workloads: [{ kind: KINDS.deployment, name: 'tuf' }],
  values: async (world) =>
    tufValues(world.config, { images: world.bundle.images, podAnnotations: await annotationsFor(world, ['tuf-tls']) }),
});
