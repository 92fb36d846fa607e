import { createPublicKey } from 'node:crypto';

import { z } from 'zod';

import { ctlogValues, fulcioValues, rekorValues, tsaValues } from '../../config/helm-values.ts';
import { parseJson } from '../../kernel/json.ts';
import { KINDS } from '../../kube/kube-object.ts';
import { readSiteCa, rootOfChain } from '../certificate-authorities.ts';
import { chartStep } from '../chart-step.ts';
import { InstallerError } from '../installer-error.ts';
import { readLogIds } from '../log-ids.ts';
import { issuerMode } from '../preflight-checks.ts';
import { applySecret, type InNamespace, readSecret, type SecretData } from '../secrets.ts';
import { getFromService, withServicePort } from '../service-connection.ts';
import { CT_PREFIX, STACK, serviceHost } from '../site-names.ts';
import { DONE, type InstallWorld, type Look, missing, type Step, type Tell } from '../step.ts';
import { annotationsFor, databasePassword } from './database.ts';

const TLS_PORT = 8443;

function host(world: InstallWorld, service: string): string {
  return serviceHost(service, STACK, world.config.site.clusterDomain);
}

async function textOf({ cluster }: InstallWorld, secret: string, key: string): Promise<string> {
  const value = (await readSecret(cluster, { namespace: STACK, name: secret }))?.get(key);
  if (value !== undefined) return value.toString('utf8');
  throw new InstallerError('KEYS_MISSING', `the Secret ${STACK}/${secret} has no ${key}`, {
    fix: 'restore it from a backup of the site; Sealift never makes a second one',
  });
}

/** Parts of a Secret that follow from others; the keys in it were made before and stay. */
interface DerivedParts {
  readonly secret: InNamespace;
  readonly data: (world: InstallWorld) => Promise<SecretData | undefined>;
}

async function lookAtParts(world: InstallWorld, { secret, data }: DerivedParts): Promise<Look> {
  if ((await readSecret(world.cluster, secret)) === undefined) return missing(`Secret ${secret.name}`);
  const wanted = await data(world);
  if (wanted === undefined) return missing('the logs');
  const present = await readSecret(world.cluster, secret);
  const differs = Object.entries(wanted).find(([key, value]) => present?.get(key)?.equals(Buffer.from(value)) !== true);
  return differs === undefined ? DONE : missing(`${differs[0]} of Secret ${secret.name}`);
}

async function writeParts(world: InstallWorld, { secret, data }: DerivedParts): Promise<void> {
  const wanted = await data(world);
  if (wanted === undefined) throw new InstallerError('STEP_UNFINISHED', 'the logs in Trillian are not recorded');
  await applySecret(world.cluster, secret, { data: wanted });
}

const ctlogParts: DerivedParts = {
  secret: { namespace: STACK, name: 'ctlog-config' },
  data: async (world) => {
    const { ctlog: id } = await readLogIds(world.cluster);
    if (id === undefined) return undefined;
    const passphrase = await textOf(world, 'ctlog-config', 'passphrase');
    return {
      config: ctlogConfig({ id, passphrase, backend: `${host(world, 'trillian-log-server')}:8091` }),
      'roots.pem': await rootOfChain(world, 'fulcio-ca'),
    };
  },
};

/** The CT log server's configuration: a `LogMultiConfig` as protocol buffers text (configpb/config.proto). */
export function ctlogConfig({ id, passphrase, backend }: { id: string; passphrase: string; backend: string }): string {
  const key = `[type.googleapis.com/keyspb.PEMKeyFile]: { path: "/ctfe-keys/private" password: ${JSON.stringify(passphrase)} }`;
  return [
    `backends: { backend: { name: "trillian" backend_spec: ${JSON.stringify(backend)} } }`,
    'log_configs: { config: {',
    `  log_id: ${id}`,
    `  prefix: ${JSON.stringify(CT_PREFIX)}`,
    '  roots_pem_file: "/ctfe-keys/roots.pem"',
    `  private_key: { ${key} }`,
    '  ext_key_usages: "CodeSigning"',
    '  log_backend_name: "trillian"',
    '} }',
    '',
  ].join('\n');
}

/** The log of certificates. */
export const ctlog: Step = chartStep({
  title: 'Certificate transparency log',
  release: { name: 'ctlog', namespace: STACK },
  workloads: [{ kind: KINDS.deployment, name: 'ctlog' }],
  lookBefore: (world) => lookAtParts(world, ctlogParts),
  prepare: (world) => writeParts(world, ctlogParts),
  values: async (world) =>
    ctlogValues(world.config, {
      images: world.bundle.images,
      prefix: CT_PREFIX,
      podAnnotations: await annotationsFor(world, ['ctlog-config', 'ctlog-tls']),
    }),
});

const fulcioParts: DerivedParts = {
  secret: { namespace: STACK, name: 'fulcio-ca' },
  data: async (world) => ({
    'config.yaml': `${JSON.stringify({ 'fileca-key-passwd': await textOf(world, 'fulcio-ca', 'passphrase') })}\n`,
    'ctfe.pub': await textOf(world, 'ctlog-config', 'public'),
  }),
};

/** The certificate authority, with the relay of the cluster's issuer. */
export const fulcio: Step = chartStep({
  title: 'Certificate authority (Fulcio) and issuer relay',
  release: { name: 'fulcio', namespace: STACK },
  workloads: [{ kind: KINDS.deployment, name: 'fulcio' }],
  lookBefore: (world) => lookAtParts(world, fulcioParts),
  prepare: (world) => writeParts(world, fulcioParts),
  values: async (world) => {
    const { facts, config } = world;
    if (facts.issuer === undefined)
      throw new InstallerError('PREFLIGHT_FAILED', 'the API server states no token issuer');
    const mode = issuerMode(config, facts.issuer);
    const caCertificate = mode === 'relay' ? ((await readSiteCa(world)) ?? '') : '';
    return fulcioValues(config, {
      images: world.bundle.images,
      prefix: CT_PREFIX,
      issuer: { url: facts.issuer.issuer, mode, caCertificate },
      podAnnotations: await annotationsFor(world, ['fulcio-ca', 'fulcio-tls', 'issuer-relay-tls']),
    });
  },
});

const rekorParts: DerivedParts = {
  secret: { namespace: STACK, name: 'rekor-signer' },
  data: async (world) => {
    const password = await databasePassword(world);
    const config = {
      rekor_server: { 'signer-passwd': await textOf(world, 'rekor-signer', 'passphrase') },
      search_index: { mysql: { dsn: `trillian:${password}@tcp(${host(world, 'mariadb')}:3306)/trillian?tls=true` } },
    };
    return { 'config.yaml': `${JSON.stringify(config)}\n`, 'sharding-config.yaml': '' };
  },
};

const logSchema = z.looseObject({ treeID: z.string() });

/** Compares what the running Rekor says with what the site made. @throws InstallerError `SERVICE_WRONG`. */
async function verifyRekor(world: InstallWorld, tell: Tell): Promise<void> {
  const ca = (await readSiteCa(world)) ?? '';
  const pods = { namespace: STACK, labelSelector: 'app.kubernetes.io/instance=rekor', port: TLS_PORT };
  await withServicePort(world, pods, async (localPort) => {
    const request = { localPort, host: host(world, 'rekor'), ca };
    const served = createPublicKey(
      (await getFromService({ ...request, path: '/api/v1/log/publicKey' })).toString('utf8'),
    );
    const made = createPublicKey(await textOf(world, 'rekor-signer', 'public'));
    if (!served.equals(made)) throw wrong('Rekor serves another public key than the one that was made for it');
    const answer = parseJson(await getFromService({ ...request, path: '/api/v1/log' }), 'log of Rekor');
    const { treeID } = logSchema.parse(answer);
    const { rekor: id } = await readLogIds(world.cluster);
    if (treeID !== id) throw wrong(`Rekor serves the log ${treeID}, the site's is ${id ?? 'not recorded'}`);
    tell(`log ${treeID}, signed by the site's key`);
  });
}

function wrong(message: string): InstallerError {
  return new InstallerError('SERVICE_WRONG', message, {
    fix: `look at the Secret ${STACK}/rekor-signer and the values of release rekor`,
  });
}

/** The log of signatures. */
export const rekor: Step = chartStep({
  title: 'Transparency log (Rekor)',
  release: { name: 'rekor', namespace: STACK },
  workloads: [{ kind: KINDS.deployment, name: 'rekor' }],
  lookBefore: async (world) =>
    (await readLogIds(world.cluster)).rekor === undefined ? missing('the logs') : lookAtParts(world, rekorParts),
  prepare: (world) => writeParts(world, rekorParts),
  values: async (world) =>
    rekorValues(world.config, {
      images: world.bundle.images,
      treeId: (await readLogIds(world.cluster)).rekor ?? '',
      podAnnotations: await annotationsFor(world, ['rekor-signer', 'rekor-tls']),
    }),
  verify: verifyRekor,
});

/** The timestamp authority. */
export const tsa: Step = chartStep({
  title: 'Timestamp authority',
  release: { name: 'tsa', namespace: STACK },
  workloads: [{ kind: KINDS.deployment, name: 'tsa' }],
  values: async (world) =>
    tsaValues(world.config, {
      images: world.bundle.images,
      podAnnotations: await annotationsFor(world, ['tsa-signer', 'tsa-tls']),
    }),
});
