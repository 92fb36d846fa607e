import { mariadbValues, trillianValues } from '../../config/helm-values.ts';
import { KINDS } from '../../kube/kube-object.ts';
import { readSiteCa } from '../certificate-authorities.ts';
import { chartStep } from '../chart-step.ts';
import { readLogIds, writeLogId } from '../log-ids.ts';
import { applySecret, contentDigest, type InNamespace, readSecret } from '../secrets.ts';
import { withServicePort } from '../service-connection.ts';
import { STACK, serviceHost, TREES } from '../site-names.ts';
import { DONE, type InstallWorld, type Look, missing, type Step, type Tell } from '../step.ts';
import { ensureLog, trillianCall } from '../trillian-admin.ts';

const AUTH: InNamespace = { namespace: STACK, name: 'mariadb-auth' };
const TRILLIAN_DB: InNamespace = { namespace: STACK, name: 'trillian-db' };
const GRPC_PORT = 8091;

/** Annotations that roll the pods when one of their Secrets changes. */
export async function annotationsFor(
  { cluster }: InstallWorld,
  names: readonly string[],
): Promise<Record<string, string>> {
  const digest = await contentDigest(
    cluster,
    names.map((name) => ({ namespace: STACK, name })),
  );
  return { 'sealift.dev/secrets': digest };
}

/** The database of the logs. */
export const mariadb: Step = chartStep({
  title: 'Database (MariaDB)',
  release: { name: 'mariadb', namespace: STACK },
  workloads: [{ kind: KINDS.statefulSet, name: 'mariadb' }],
  values: async (world) =>
    mariadbValues(world.config, {
      images: world.bundle.images,
      podAnnotations: await annotationsFor(world, ['mariadb-auth', 'mariadb-tls']),
    }),
});

/** The database's password, and its URL for programs in Go. */
export async function databasePassword({ cluster }: InstallWorld): Promise<string> {
  return (await readSecret(cluster, AUTH))?.get('password')?.toString('utf8') ?? '';
}

async function trillianFlags(world: InstallWorld): Promise<string> {
  const host = serviceHost('mariadb', STACK, world.config.site.clusterDomain);
  return `--mysql_uri=trillian:${await databasePassword(world)}@tcp(${host}:3306)/trillian\n`;
}

async function lookAtTrillianSecret(world: InstallWorld): Promise<Look> {
  const flags = (await readSecret(world.cluster, TRILLIAN_DB))?.get('flags')?.toString('utf8');
  return flags === (await trillianFlags(world)) ? DONE : missing('Secret trillian-db');
}

async function ensureLogs(world: InstallWorld, tell: Tell): Promise<void> {
  const ca = (await readSiteCa(world)) ?? '';
  const host = serviceHost('trillian-log-server', STACK, world.config.site.clusterDomain);
  const labelSelector = 'app.kubernetes.io/instance=trillian,app.kubernetes.io/component=log-server';
  await withServicePort(world, { namespace: STACK, labelSelector, port: GRPC_PORT }, async (port) => {
    for (const log of ['rekor', 'ctlog'] as const) {
      const recorded = (await readLogIds(world.cluster))[log];
      const id = await ensureLog(trillianCall({ port, host, ca }), TREES[log], recorded);
      await writeLogId(world.cluster, log, id);
      tell(`log ${TREES[log]}: ${id}`);
    }
  });
}

/** Trillian, and the two logs in it. */
export const trillian: Step = (() => {
  const step = chartStep({
    title: 'Log server and signer (Trillian)',
    release: { name: 'trillian', namespace: STACK },
    workloads: [
      { kind: KINDS.deployment, name: 'trillian-log-server' },
      { kind: KINDS.deployment, name: 'trillian-log-signer' },
    ],
    lookBefore: lookAtTrillianSecret,
    prepare: async (world) => applySecret(world.cluster, TRILLIAN_DB, { data: { flags: await trillianFlags(world) } }),
    values: async (world) =>
      trillianValues(world.config, {
        images: world.bundle.images,
        podAnnotations: await annotationsFor(world, ['trillian-db', 'trillian-log-server-tls']),
      }),
    verify: ensureLogs,
  });
  return {
    ...step,
    look: async (world: InstallWorld): Promise<Look> => {
      const found = await step.look(world);
      if (!found.done) return found;
      const { rekor, ctlog } = await readLogIds(world.cluster);
      return rekor === undefined || ctlog === undefined ? missing('the logs') : DONE;
    },
  };
})();
