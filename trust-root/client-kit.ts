import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { VerifiedGeneration } from './generation.ts';

import { writeClientTrustConfig } from './signing-config.ts';

/** What a developer on the site needs besides the trust material. */
export interface KitInputs {
  /** Root v1, pinned by the kit. */
  readonly root: Buffer;
  /** PEM of the site's CA. */
  readonly siteCa: string;
  /** Where the repository is served, e.g. `https://tuf.sigstore-system.svc.cluster.local`. */
  readonly repositoryUrl: string;
}

/**
 * The client kit of a site as files by name: the pinned root and its checksum, trusted root, signing config, client trust
 * config, site CA, environment file, and the commands that use them.
 * @throws TrustRootError when the generation has no trusted root or signing config.
 */
export async function clientKit(generation: VerifiedGeneration, inputs: KitInputs): Promise<Map<string, Buffer>> {
  const trustedRoot = await generation.target('trusted_root.json');
  const signingConfig = await generation.target('signing_config.v0.2.json');
  const checksum = createHash('sha256').update(inputs.root).digest('hex');
  return new Map([
    ['root.json', inputs.root],
    ['root.json.sha256', Buffer.from(`${checksum}  root.json\n`)],
    ['trusted_root.json', trustedRoot],
    ['signing_config.v0.2.json', signingConfig],
    ['client_trust_config.json', writeClientTrustConfig(trustedRoot, signingConfig)],
    ['site-ca.pem', Buffer.from(inputs.siteCa)],
    ['sigstore.env', Buffer.from(environment(inputs, checksum, servicesOf(signingConfig)))],
    ['README.txt', Buffer.from(commands(inputs, checksum))],
  ]);
}

const services = z.object({ url: z.string() }).array();
const signingConfigServices = z.object({ caUrls: services, rekorTlogUrls: services, tsaUrls: services });
type Services = z.output<typeof signingConfigServices>;

function servicesOf(signingConfig: Buffer): Services {
  return signingConfigServices.parse(JSON.parse(signingConfig.toString('utf8')));
}

function environment(
  { repositoryUrl }: KitInputs,
  checksum: string,
  { caUrls, rekorTlogUrls, tsaUrls }: Services,
): string {
  return [
    `TUF_MIRROR=${repositoryUrl}`,
    'TUF_ROOT_JSON=root.json',
    `SEALIFT_ROOT_SHA256=${checksum}`,
    `FULCIO_URL=${caUrls[0]?.url ?? ''}`,
    `REKOR_URL=${rekorTlogUrls[0]?.url ?? ''}`,
    `TSA_URL=${tsaUrls[0]?.url ?? ''}`,
    'SSL_CERT_FILE=site-ca.pem',
    'NODE_EXTRA_CA_CERTS=site-ca.pem',
    'REQUESTS_CA_BUNDLE=site-ca.pem',
    '',
  ].join('\n');
}

function commands({ repositoryUrl }: KitInputs, checksum: string): string {
  return [
    'cosign, once (follows the repository from then on):',
    `  SSL_CERT_FILE=site-ca.pem cosign initialize --mirror ${repositoryUrl} --root root.json --root-checksum ${checksum}`,
    'cosign, with no repository at hand:',
    '  cosign verify --trusted-root trusted_root.json --certificate-identity ID --certificate-oidc-issuer URL IMAGE',
    'sigstore-python:',
    `  sigstore --instance ${repositoryUrl} trust-instance root.json`,
    '  sigstore --trust-config client_trust_config.json verify identity --cert-identity ID --cert-oidc-issuer URL FILE',
    'sigstore-js: give trusted_root.json to toTrustMaterial, or tufMirrorURL and tufRootPath=root.json to verify.',
    '',
  ].join('\n');
}
