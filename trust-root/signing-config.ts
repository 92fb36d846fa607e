import { TrustRootError } from './trust-root-error.ts';
import type { Period } from './trusted-root.ts';

/** A service that signers use. */
export interface ServiceEndpoint {
  readonly url: string;
  readonly majorApiVersion: number;
  readonly period: Period;
  readonly operator: string;
}

/** The services of a site. */
export interface SigningConfigContent {
  readonly ca: readonly ServiceEndpoint[];
  readonly oidc: readonly ServiceEndpoint[];
  readonly rekor: readonly ServiceEndpoint[];
  /** With the full path, `…/api/v1/timestamp`. */
  readonly tsa: readonly ServiceEndpoint[];
}

const SIGNING_CONFIG_MEDIA_TYPE = 'application/vnd.dev.sigstore.signingconfig.v0.2+json';
const CLIENT_TRUST_CONFIG_MEDIA_TYPE = 'application/vnd.dev.sigstore.clienttrustconfig.v0.1+json';

/**
 * Writes `signing_config.v0.2.json` (sigstore_trustroot.proto, SigningConfig, proto3 JSON), newest services first.
 * @throws TrustRootError `DOCUMENT_INVALID`.
 */
export function writeSigningConfig({ ca, oidc, rekor, tsa }: SigningConfigContent): Buffer {
  const wrong = tsa.find(({ url }) => !url.endsWith('/api/v1/timestamp'));
  if (wrong !== undefined) {
    throw new TrustRootError('DOCUMENT_INVALID', `${wrong.url}: a timestamp authority's URL ends in /api/v1/timestamp`);
  }
  const document = {
    mediaType: SIGNING_CONFIG_MEDIA_TYPE,
    caUrls: newestFirst(ca),
    oidcUrls: newestFirst(oidc),
    rekorTlogUrls: newestFirst(rekor),
    rekorTlogConfig: { selector: 'ANY' },
    tsaUrls: newestFirst(tsa),
    tsaConfig: { selector: 'ANY' },
  };
  return Buffer.from(`${JSON.stringify(document, undefined, 2)}\n`);
}

function newestFirst(services: readonly ServiceEndpoint[]): object[] {
  return [...services]
    .sort((a, b) => b.period.start.getTime() - a.period.start.getTime())
    .map(({ url, majorApiVersion, period, operator }) => ({
      url,
      majorApiVersion,
      validFor: {
        start: period.start.toISOString(),
        ...(period.end === undefined ? {} : { end: period.end.toISOString() }),
      },
      operator,
    }));
}

/** Writes a client trust config: trusted root and signing config in one file, as sigstore-python takes it. */
export function writeClientTrustConfig(trustedRoot: Buffer, signingConfig: Buffer): Buffer {
  const document = {
    mediaType: CLIENT_TRUST_CONFIG_MEDIA_TYPE,
    trustedRoot: JSON.parse(trustedRoot.toString('utf8')) as unknown,
    signingConfig: JSON.parse(signingConfig.toString('utf8')) as unknown,
  };
  return Buffer.from(`${JSON.stringify(document, undefined, 2)}\n`);
}
