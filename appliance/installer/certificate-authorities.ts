import type { KeyObject } from 'node:crypto';

import {
  createFulcioIntermediate,
  createFulcioRoot,
  createSiteCa,
  createTsaIntermediate,
  createTsaLeaf,
  createTsaRoot,
  pemChain,
  validFor,
} from '../../trust-root/certificates.ts';
import { exportServiceKey, generateKey, publicKeyDer, publicKeyPem } from '../../trust-root/keys.ts';
import { type DistinguishedName, readCertificate, splitPemChain, type Validity } from '../../trust-root/x509.ts';
import { isKubeError } from '../kube/kube-error.ts';
import { KINDS } from '../kube/kube-object.ts';
import { InstallerError } from './installer-error.ts';
import { createSecretOnce, MANAGED, randomPassword, readSecret } from './secrets.ts';
import { SEALIFT, STACK } from './site-names.ts';
import type { InstallWorld } from './step.ts';

/** The ConfigMap with the site CA's certificate, in both namespaces. */
export const SITE_CA = 'site-ca';
/** Names of the offline keys of the certificate authorities. */
export const CA_KEYS = {
  site: 'site-ca',
  fulcio: 'fulcio-root',
  tsa: 'tsa-root',
  tsaIntermediate: 'tsa-intermediate',
} as const;

// A clock behind the operator's must not find the certificates "not yet valid".
const BACKDATE_MS = 5 * 60_000;

function validity({ clock }: InstallWorld, days: number): Validity {
  return validFor(new Date(clock.now().getTime() - BACKDATE_MS), days);
}

function subject({ config }: InstallWorld, commonName: string): DistinguishedName {
  return { commonName: `${config.site.name} ${commonName}`, organization: config.site.name };
}

/** The site CA's certificate; `undefined` when the site has none yet. */
export async function readSiteCa(
  { cluster }: Pick<InstallWorld, 'cluster'>,
  namespace = STACK,
): Promise<string | undefined> {
  const found = await cluster.get({ kind: KINDS.configMap, namespace, name: SITE_CA });
  return found?.data?.['ca.crt'];
}

/** The site CA's certificate, made once. Its copy for Sealift's own namespace follows it. */
export async function ensureSiteCa(world: InstallWorld): Promise<string> {
  const present = (await readSiteCa(world)) ?? (await makeSiteCa(world));
  await world.cluster.apply({
    ...KINDS.configMap,
    metadata: { name: SITE_CA, namespace: SEALIFT, labels: MANAGED },
    data: { 'ca.crt': present },
  });
  return present;
}

async function makeSiteCa(world: InstallWorld): Promise<string> {
  const key = await world.vault.openOrMake(CA_KEYS.site);
  const days = world.config.lifetimesDays.siteCa;
  const certificate = await createSiteCa({ subject: subject(world, 'site CA'), key, validity: validity(world, days) });
  try {
    await world.cluster.create({
      ...KINDS.configMap,
      metadata: { name: SITE_CA, namespace: STACK, labels: MANAGED },
      data: { 'ca.crt': certificate },
    });
    return certificate;
  } catch (error) {
    if (!isKubeError(error, 'ALREADY_EXISTS')) throw error;
    return (await readSiteCa(world)) ?? certificate;
  }
}

/** The offline key of a CA whose certificate the site has. @throws InstallerError `KEYS_MISMATCH`, `KEYS_MISSING`. */
export async function openCaKey({ vault }: InstallWorld, name: string, certificate: string): Promise<KeyObject> {
  const key = await vault.open(name);
  if (publicKeyDer(key).equals(publicKeyDer(readCertificate(certificate).publicKey))) return key;
  throw new InstallerError(
    'KEYS_MISMATCH',
    `${vault.folder}: the key ${name} is not the one of this site's certificate`,
    {
      fix: 'name the folder with the key files of this site with --state-dir',
    },
  );
}

/** Fulcio's issuing CA: its key and chain as a Secret, made once; the root's key stays offline. */
export function ensureFulcioCa(world: InstallWorld): Promise<ReadonlyMap<string, Buffer>> {
  return createSecretOnce(world.cluster, { namespace: STACK, name: 'fulcio-ca' }, { data: () => makeFulcioCa(world) });
}

async function makeFulcioCa(world: InstallWorld): Promise<Record<string, string>> {
  const { fulcioRoot, fulcioIntermediate } = world.config.lifetimesDays;
  const rootKey = await world.vault.openOrMake(CA_KEYS.fulcio);
  const root = await createFulcioRoot({
    subject: subject(world, 'Fulcio root'),
    key: rootKey,
    validity: validity(world, fulcioRoot),
  });
  const key = generateKey('p256');
  const intermediate = await createFulcioIntermediate({
    subject: subject(world, 'Fulcio intermediate'),
    key,
    validity: validity(world, Math.min(fulcioIntermediate, fulcioRoot)),
    issuer: { certificate: root, key: rootKey },
  });
  const passphrase = randomPassword();
  return { 'private.pem': exportServiceKey(key, passphrase), 'chain.pem': pemChain(intermediate, root), passphrase };
}

/** The timestamp authority's signing key and chain as a Secret, made once; root and intermediate keys stay offline. */
export function ensureTsa(world: InstallWorld): Promise<ReadonlyMap<string, Buffer>> {
  return createSecretOnce(world.cluster, { namespace: STACK, name: 'tsa-signer' }, { data: () => makeTsa(world) });
}

async function makeTsa(world: InstallWorld): Promise<Record<string, string>> {
  const { tsaRoot, tsaLeaf } = world.config.lifetimesDays;
  const days = Math.min(tsaRoot, tsaLeaf);
  const rootKey = await world.vault.openOrMake(CA_KEYS.tsa);
  const root = await createTsaRoot({
    subject: subject(world, 'TSA root'),
    key: rootKey,
    validity: validity(world, tsaRoot),
  });
  const middleKey = await world.vault.openOrMake(CA_KEYS.tsaIntermediate);
  const middle = await createTsaIntermediate({
    subject: subject(world, 'TSA intermediate'),
    key: middleKey,
    validity: validity(world, days),
    issuer: { certificate: root, key: rootKey },
  });
  const key = generateKey('p256');
  const leaf = await createTsaLeaf({
    subject: subject(world, 'TSA'),
    key,
    validity: validity(world, days),
    issuer: { certificate: middle, key: middleKey },
  });
  const passphrase = randomPassword();
  return {
    'private.pem': exportServiceKey(key, passphrase),
    'chain.pem': pemChain(leaf, middle, root),
    'config.yaml': `${JSON.stringify({ 'file-signer-passwd': passphrase })}\n`,
  };
}

/** A log's signing key as a Secret, made once: the key under `privateName`, `public`, `passphrase`, `created`. */
export function ensureLogKey(
  world: InstallWorld,
  name: 'ctlog-config' | 'rekor-signer',
  privateName: string,
): Promise<ReadonlyMap<string, Buffer>> {
  const make = async (): Promise<Record<string, string>> => {
    const key = generateKey('p256');
    const passphrase = randomPassword();
    const created = world.clock.now().toISOString();
    return { [privateName]: exportServiceKey(key, passphrase), public: publicKeyPem(key), passphrase, created };
  };
  return createSecretOnce(world.cluster, { namespace: STACK, name }, { data: make });
}

/** The last certificate of a chain in a Secret: its root. */
export async function rootOfChain(world: InstallWorld, secret: string): Promise<string> {
  const chain = (await readSecret(world.cluster, { namespace: STACK, name: secret }))
    ?.get('chain.pem')
    ?.toString('utf8');
  const root = splitPemChain(chain ?? '').at(-1);
  if (root !== undefined) return root;
  throw new InstallerError('KEYS_MISSING', `the Secret ${STACK}/${secret} holds no certificate chain`, {
    fix: 'restore it from a backup of the site; Sealift never makes a second one',
  });
}
