import type { RepositoryKeys, RoleSigners } from '../../trust-root/initialise.ts';
import { exportPlainKeyUnsafe, generateKey, importPlainKey } from '../../trust-root/keys.ts';
import { keySigner, type Signer } from '../../trust-root/signer.ts';
import { InstallerError } from './installer-error.ts';
import { createSecretOnce, type InNamespace, readSecret } from './secrets.ts';
import { STACK } from './site-names.ts';
import type { InstallWorld } from './step.ts';

/** The keys of the roles that the cluster signs by itself. */
export const TUF_ONLINE_KEYS: InNamespace = { namespace: STACK, name: 'tuf-online-keys' };

const ONLINE_ROLES = ['snapshot', 'timestamp', 'site-state'] as const;
type OnlineRole = (typeof ONLINE_ROLES)[number];

/** Names of the offline key files of a role. */
export function offlineKeyNames(role: 'root' | 'targets' | 'upstream', count: number): string[] {
  return Array.from({ length: count }, (_, index) => `tuf-${role}-${index + 1}`);
}

async function offlineRole(
  { vault }: InstallWorld,
  role: 'root' | 'targets' | 'upstream',
  { keys, threshold }: { keys: number; threshold: number },
): Promise<RoleSigners> {
  const signers: Signer[] = [];
  for (const name of offlineKeyNames(role, keys)) signers.push(keySigner(await vault.openOrMake(name)));
  return { signers, threshold };
}

/** Makes the keys of all TUF roles unless they are there. Root, targets and upstream stay offline. */
export async function ensureTufKeys(world: InstallWorld): Promise<void> {
  await createSecretOnce(world.cluster, TUF_ONLINE_KEYS, {
    data: async () =>
      Object.fromEntries(ONLINE_ROLES.map((role) => [`${role}.pem`, exportPlainKeyUnsafe(generateKey('p256'))])),
  });
}

async function onlineSigner({ cluster }: InstallWorld, role: OnlineRole): Promise<Signer> {
  const pem = (await readSecret(cluster, TUF_ONLINE_KEYS))?.get(`${role}.pem`);
  if (pem !== undefined) return keySigner(importPlainKey(pem.toString('utf8')));
  throw new InstallerError('KEYS_MISSING', `the Secret ${STACK}/${TUF_ONLINE_KEYS.name} has no ${role}.pem`, {
    fix: 'restore it from a backup of the site, or rotate the role: sealift trust rotate',
  });
}

/** The signers of the roles that the cluster signs by itself. */
export async function onlineSigners(
  world: InstallWorld,
): Promise<Record<'snapshot' | 'timestamp' | 'siteState', Signer>> {
  return {
    snapshot: await onlineSigner(world, 'snapshot'),
    timestamp: await onlineSigner(world, 'timestamp'),
    siteState: await onlineSigner(world, 'site-state'),
  };
}

/** The keys of a new repository; offline ones are made when their files are not there. */
export async function repositoryKeys(world: InstallWorld): Promise<RepositoryKeys> {
  const { root, targets } = world.config.keys;
  return {
    root: await offlineRole(world, 'root', root),
    targets: await offlineRole(world, 'targets', targets),
    upstream: await offlineRole(world, 'upstream', { keys: 1, threshold: 1 }),
    ...(await onlineSigners(world)),
  };
}

/** The offline signers of a role of a repository that is there: those whose files are in the operator's folder. */
export async function offlineSigners(
  { vault }: InstallWorld,
  role: 'targets' | 'upstream',
  threshold: number,
): Promise<Signer[]> {
  const signers: Signer[] = [];
  for (const name of offlineKeyNames(role, 9)) {
    if (signers.length < threshold && (await vault.has(name))) signers.push(keySigner(await vault.open(name)));
  }
  if (signers.length >= threshold) return signers;
  throw new InstallerError(
    'KEYS_MISSING',
    `${threshold} keys of the role ${role} must sign, ${vault.folder} has ${signers.length}`,
    {
      fix: 'name the folder with the key files of this site with --state-dir',
    },
  );
}
