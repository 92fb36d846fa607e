import type { ConnectedFacts } from '../../../scripts/lab/connected/connected-facts.ts';

/** Namespace and account that sign on the site. */
export const BUILDER = { namespace: 'build', serviceAccount: 'builder' } as const;

/** Where images that are made on the site lie. */
export const SITE_REGISTRY = 'registry.sealift-system.svc.cluster.local';

const SITE_ISSUER = 'https://kubernetes.default.svc.cluster.local';

/** What Fulcio writes into the certificates of the site's builder. */
export const BUILDER_IDENTITY = {
  issuer: SITE_ISSUER,
  subject: `https://kubernetes.io/namespaces/${BUILDER.namespace}/serviceaccounts/${BUILDER.serviceAccount}`,
} as const;

function policy(name: string, glob: string, authorities: readonly object[]): object {
  return {
    apiVersion: 'policy.sigstore.dev/v1beta1',
    kind: 'ClusterImagePolicy',
    metadata: { name },
    spec: { images: [{ glob }], authorities },
  };
}

/**
 * The policies of the site: of the upstream vendor's images, the workflow's and the release manager's signatures count,
 * judged by the vendor's own trust; of images made on the site, the builder's, judged by the site's.
 */
export function sitePolicies({ issuers, trustDomain }: Pick<ConnectedFacts, 'issuers' | 'trustDomain'>): object[] {
  const upstream = [
    { issuer: issuers.ci, subjectRegExp: String.raw`^https://git\.acme\.example/acme/[a-z-]+/` },
    { issuer: issuers.accounts, subject: 'release@acme.example' },
  ];
  const log = (trustRootRef: string) => ({ trustRootRef });
  return [
    policy('acme', 'ghcr.io/acme/**', [
      { name: 'vendor', keyless: { trustRootRef: trustDomain, identities: upstream }, ctlog: log(trustDomain) },
    ]),
    policy('site-built', `${SITE_REGISTRY}/**`, [
      { name: 'builder', keyless: { trustRootRef: 'site', identities: [{ ...BUILDER_IDENTITY }] }, ctlog: log('site') },
    ]),
  ];
}
