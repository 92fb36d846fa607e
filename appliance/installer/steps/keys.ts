import { ensureFulcioCa, ensureLogKey, ensureSiteCa, ensureTsa, readSiteCa } from '../certificate-authorities.ts';
import { createSecretOnce, type InNamespace, randomPassword, readSecret } from '../secrets.ts';
import { SEALIFT, STACK } from '../site-names.ts';
import { DONE, firstMissing, type InstallWorld, type Look, missing, type Step } from '../step.ts';
import { ensureTls, lookAtTls, tlsServers } from '../tls-secrets.ts';
import { ensureTufKeys, TUF_ONLINE_KEYS } from '../tuf-keys.ts';

/** Secrets that are made once and never again. */
const MADE_ONCE: readonly InNamespace[] = [
  { namespace: STACK, name: 'mariadb-auth' },
  { namespace: STACK, name: 'fulcio-ca' },
  { namespace: STACK, name: 'tsa-signer' },
  { namespace: STACK, name: 'ctlog-config' },
  { namespace: STACK, name: 'rekor-signer' },
  TUF_ONLINE_KEYS,
];

/** Whether every Secret that is made once is there. */
export async function lookAtSecrets({ cluster }: InstallWorld): Promise<Look> {
  for (const name of MADE_ONCE) {
    if ((await readSecret(cluster, name)) === undefined) return missing(`Secret ${name.namespace}/${name.name}`);
  }
  return DONE;
}

async function lookAtCa(world: InstallWorld): Promise<Look> {
  const ca = await readSiteCa(world);
  if (ca === undefined) return missing('the site CA');
  return (await readSiteCa(world, SEALIFT)) === ca ? DONE : missing(`the site CA's copy in ${SEALIFT}`);
}

/** Every key and certificate of the site, made once: offline ones as files, online ones as Secrets. */
export const keys: Step = {
  id: 'keys',
  title: 'Keys and certificates',
  needsKeys: true,
  look: (world) =>
    firstMissing([
      () => lookAtCa(world),
      () => lookAtSecrets(world),
      ...tlsServers(world).map((server) => () => lookAtTls(world, server)),
    ]),
  act: async (world, tell) => {
    tell(`offline keys in ${world.vault.folder}`);
    await ensureSiteCa(world);
    tell('Fulcio, timestamp authority, logs, database');
    await ensureFulcioCa(world);
    await ensureTsa(world);
    await ensureLogKey(world, 'ctlog-config', 'private');
    await ensureLogKey(world, 'rekor-signer', 'private.pem');
    await createSecretOnce(
      world.cluster,
      { namespace: STACK, name: 'mariadb-auth' },
      {
        data: async () => ({ 'root-password': randomPassword(), password: randomPassword() }),
      },
    );
    tell('TUF roles');
    await ensureTufKeys(world);
    for (const server of tlsServers(world)) {
      tell(`certificate of ${server.dnsNames[0] ?? server.name}`);
      await ensureTls(world, server);
    }
  },
};
