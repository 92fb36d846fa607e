import { X509Certificate } from 'node:crypto';

import { createServerCertificate, validFor } from '../../trust-root/certificates.ts';
import { exportPlainKeyUnsafe, generateKey } from '../../trust-root/keys.ts';
import { CA_KEYS, ensureSiteCa, openCaKey } from './certificate-authorities.ts';
import { applySecret, type InNamespace, readSecret } from './secrets.ts';
import { SEALIFT, STACK, serviceNames } from './site-names.ts';
import { DONE, type InstallWorld, type Look, missing } from './step.ts';

/** A TLS server of the site: its Secret and the names that its certificate bears. */
export interface TlsServer extends InNamespace {
  readonly dnsNames: readonly string[];
  readonly ipAddresses?: readonly string[];
}

/** A certificate that ends within so many days is issued anew. */
const RENEW_BEFORE_DAYS = 60;
const DAY_MS = 86_400_000;
const BACKDATE_MS = 5 * 60_000;

/** The servers whose names are known before anything runs. */
export function tlsServers({ config, facts }: Pick<InstallWorld, 'config' | 'facts'>): TlsServer[] {
  const { clusterDomain } = config.site;
  const server = (secret: string, service: string, namespace = STACK): TlsServer => ({
    namespace,
    name: secret,
    dnsNames: serviceNames(service, namespace, clusterDomain),
  });
  const issuer =
    facts.issuer === undefined
      ? []
      : [{ namespace: STACK, name: 'issuer-relay-tls', dnsNames: [new URL(facts.issuer.issuer).hostname] }];
  return [
    server('mariadb-tls', 'mariadb'),
    server('trillian-log-server-tls', 'trillian-log-server'),
    server('ctlog-tls', 'ctlog'),
    server('fulcio-tls', 'fulcio'),
    server('rekor-tls', 'rekor'),
    server('tsa-tls', 'tsa'),
    server('tuf-tls', 'tuf'),
    server('webhook-tls', 'webhook', SEALIFT),
    ...issuer,
  ];
}

function covers(certificate: X509Certificate, { dnsNames, ipAddresses = [] }: TlsServer): boolean {
  const hosts = dnsNames.every((name) => certificate.checkHost(name) !== undefined);
  return hosts && ipAddresses.every((address) => certificate.checkIP(address) !== undefined);
}

/** Whether the server's Secret holds a certificate for its names that still lasts. */
export async function lookAtTls(world: InstallWorld, server: TlsServer): Promise<Look> {
  const where = `${server.namespace}/${server.name}`;
  const pem = (await readSecret(world.cluster, server))?.get('tls.crt');
  if (pem === undefined) return missing(`Secret ${where}`);
  const certificate = new X509Certificate(pem);
  if (!covers(certificate, server)) return missing(`${where}: its certificate is for other names`);
  const left = (certificate.validToDate.getTime() - world.clock.now().getTime()) / DAY_MS;
  return left < RENEW_BEFORE_DAYS ? missing(`${where}: its certificate ends in ${Math.floor(left)} days`) : DONE;
}

/** Makes a server's certificate and key unless the Secret holds good ones. */
export async function ensureTls(world: InstallWorld, server: TlsServer): Promise<void> {
  if ((await lookAtTls(world, server)).done) return;
  const ca = await ensureSiteCa(world);
  const caKey = await openCaKey(world, CA_KEYS.site, ca);
  const key = generateKey('p256');
  const start = new Date(world.clock.now().getTime() - BACKDATE_MS);
  const wanted = validFor(start, world.config.lifetimesDays.server);
  const caEnd = new X509Certificate(ca).validToDate;
  const validity = caEnd < wanted.notAfter ? { ...wanted, notAfter: caEnd } : wanted;
  const subject = {
    commonName: (server.dnsNames[0] ?? server.name).slice(0, 64),
    organization: world.config.site.name,
  };
  const certificate = await createServerCertificate(
    { subject, key, validity, issuer: { certificate: ca, key: caKey } },
    { dnsNames: server.dnsNames, ...(server.ipAddresses === undefined ? {} : { ipAddresses: server.ipAddresses }) },
  );
  await applySecret(world.cluster, server, {
    type: 'kubernetes.io/tls',
    data: { 'tls.crt': certificate, 'tls.key': exportPlainKeyUnsafe(key), 'ca.crt': ca },
  });
}
