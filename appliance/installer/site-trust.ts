import { parsePublicKey } from '../../trust-root/keys.ts';
import type { SiteTrust } from '../../trust-root/site-targets.ts';
import type { AuthorityInstance, LogInstance } from '../../trust-root/trusted-root.ts';
import { readCertificate, splitPemChain } from '../../trust-root/x509.ts';
import { InstallerError } from './installer-error.ts';
import { readSecret } from './secrets.ts';
import { CT_PREFIX, STACK, serviceHost } from './site-names.ts';
import type { InstallWorld } from './step.ts';

async function required({ cluster }: InstallWorld, secret: string, key: string): Promise<string> {
  const value = (await readSecret(cluster, { namespace: STACK, name: secret }))?.get(key);
  if (value !== undefined) return value.toString('utf8');
  throw new InstallerError('KEYS_MISSING', `the Secret ${STACK}/${secret} has no ${key}`, {
    fix: 'restore it from a backup of the site; Sealift never makes a second one',
  });
}

async function log(world: InstallWorld, secret: string, baseUrl: string): Promise<LogInstance> {
  return {
    baseUrl,
    publicKey: parsePublicKey(await required(world, secret, 'public')),
    // Written when the key was made: it never moves, or older signatures would fall outside.
    period: { start: new Date(await required(world, secret, 'created')) },
    operator: world.config.site.name,
  };
}

async function authority(world: InstallWorld, secret: string, uri: string): Promise<AuthorityInstance> {
  const certificates = splitPemChain(await required(world, secret, 'chain.pem'));
  const { notBefore } = readCertificate(certificates[0] ?? '');
  const { name } = world.config.site;
  const commonName = /CN=([^\n]+)/.exec(readCertificate(certificates.at(-1) ?? '').subject)?.[1] ?? name;
  return { uri, certificates, period: { start: notBefore }, organization: name, commonName, operator: name };
}

/** What clients must know to verify what the site signs, and to sign there; made of what the cluster holds. */
export async function siteTrust(world: InstallWorld, policies: readonly unknown[]): Promise<SiteTrust> {
  const url = (service: string): string => `https://${serviceHost(service, STACK, world.config.site.clusterDomain)}`;
  const rekor = await log(world, 'rekor-signer', url('rekor'));
  const ctlog = await log(world, 'ctlog-config', `${url('ctlog')}/${CT_PREFIX}`);
  const fulcio = await authority(world, 'fulcio-ca', url('fulcio'));
  const tsa = await authority(world, 'tsa-signer', `${url('tsa')}/api/v1/timestamp`);
  const operator = world.config.site.name;
  const endpoint = (address: string, period: { readonly start: Date }) => [
    { url: address, majorApiVersion: 1, period, operator },
  ];
  return {
    trustedRoot: { tlogs: [rekor], ctlogs: [ctlog], certificateAuthorities: [fulcio], timestampAuthorities: [tsa] },
    signingConfig: {
      ca: endpoint(fulcio.uri, fulcio.period),
      oidc: endpoint(world.facts.issuer?.issuer ?? '', fulcio.period),
      rekor: endpoint(rekor.baseUrl, rekor.period),
      tsa: endpoint(tsa.uri, tsa.period),
    },
    policies,
  };
}
