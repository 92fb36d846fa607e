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

interface PolicyText {
  readonly globs: readonly string[];
  readonly authorities: readonly object[];
  readonly annotations?: Readonly<Record<string, string>>;
}

function policy(name: string, { globs, authorities, annotations = {} }: PolicyText): object {
  return {
    apiVersion: 'policy.sigstore.dev/v1beta1',
    kind: 'ClusterImagePolicy',
    metadata: { name, annotations },
    spec: { images: globs.map((glob) => ({ glob })), authorities },
  };
}

/** The one image whose signature has nothing but the log's promise; it has a policy of its own that takes that. */
const LEGACY = 'ghcr.io/acme/legacy';

/**
 * The policies of the site: of the upstream vendor's images, the workflow's and the release manager's signatures count,
 * judged by the vendor's own trust; of images made on the site, the builder's, judged by the site's.
 */
export function sitePolicies({ issuers, trustDomain, applications }: ConnectedFacts): object[] {
  const upstream = [
    { issuer: issuers.ci, subjectRegExp: String.raw`^https://git\.acme\.example/acme/[a-z-]+/` },
    { issuer: issuers.accounts, subject: 'release@acme.example' },
  ];
  const log = (trustRootRef: string) => ({ trustRootRef });
  const vendor = { keyless: { trustRootRef: trustDomain, identities: upstream }, ctlog: log(trustDomain) };
  const builder = { keyless: { trustRootRef: 'site', identities: [{ ...BUILDER_IDENTITY }] }, ctlog: log('site') };
  const names = applications.map(({ reference }) => reference.replace(/:v1$/, '')).filter((name) => name !== LEGACY);
  const promised = { 'sealift.dev/minimum-transparency': 'promised' };
  return [
    policy('acme', { globs: names, authorities: [{ name: 'vendor', ...vendor }] }),
    policy('acme-legacy', { globs: [LEGACY], authorities: [{ name: 'vendor', ...vendor }], annotations: promised }),
    policy('site-built', { globs: [`${SITE_REGISTRY}/team/**`], authorities: [{ name: 'builder', ...builder }] }),
  ];
}
