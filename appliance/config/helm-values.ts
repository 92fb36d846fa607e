import { ConfigError } from './config-error.ts';
import type { ApplianceConfig } from './schema.ts';

/** An image as the charts take it; the digest wins over the tag. */
export interface ImageValue {
  readonly repository: string;
  readonly tag?: string;
  readonly digest: string;
}

/** What values need besides the configuration. */
export interface ValuesContext {
  /** Every image of the bundle. */
  readonly images: readonly ImageValue[];
  /** Annotations for the pods, so that changed Secrets roll them. */
  readonly podAnnotations: Readonly<Record<string, string>>;
}

/** Values of a chart. */
export type Values = Readonly<Record<string, unknown>>;

const STACK_NAMESPACE = 'sigstore-system';
const SEALIFT_NAMESPACE = 'sealift-system';

/** The repositories of the images that the charts run. */
export const IMAGES = {
  mariadb: 'docker.io/library/mariadb',
  registry: 'docker.io/library/registry',
  logServer: 'ghcr.io/sigstore/scaffolding/trillian_log_server',
  logSigner: 'ghcr.io/sigstore/scaffolding/trillian_log_signer',
  ctlog: 'ghcr.io/sigstore/scaffolding/ct_server',
  fulcio: 'ghcr.io/sigstore/fulcio',
  rekor: 'ghcr.io/sigstore/rekor/rekor-server',
  tsa: 'ghcr.io/sigstore/timestamp-server',
  sealift: 'registry.sealift.internal/sealift/sealift',
} as const;

/**
 * The one image of a repository that the bundle brings.
 * @throws ConfigError `IMAGE_MISSING` when there is none, or more than one.
 */
export function imageValue(images: readonly ImageValue[], repository: string): ImageValue {
  const found = images.filter((image) => image.repository === repository);
  const [image] = found;
  if (image !== undefined && found.length === 1) {
    const { digest, tag } = image;
    return { repository, ...(tag === undefined ? {} : { tag }), digest };
  }
  throw new ConfigError('IMAGE_MISSING', `the bundle brings ${found.length} images of ${repository}, one is needed`, {
    fix: 'make the bundle again with the charts of this version: sealift bundle create',
  });
}

function host(config: ApplianceConfig, service: string, namespace = STACK_NAMESPACE): string {
  return `${service}.${namespace}.svc.${config.site.clusterDomain}`;
}

/** Values of chart `registry`. */
export function registryValues(config: ApplianceConfig, { images, podAnnotations }: ValuesContext): Values {
  const size = config.registry.kind === 'internal' ? config.registry.size : '1Gi';
  return {
    image: imageValue(images, IMAGES.registry),
    sealiftImage: imageValue(images, IMAGES.sealift),
    storage: { size, className: config.storage.className },
    podAnnotations,
  };
}

/** Values of chart `mariadb`. */
export function mariadbValues(config: ApplianceConfig, { images, podAnnotations }: ValuesContext): Values {
  const { className, database } = config.storage;
  return { image: imageValue(images, IMAGES.mariadb), storage: { size: database, className }, podAnnotations };
}

/** Values of chart `trillian`. */
export function trillianValues(config: ApplianceConfig, { images, podAnnotations }: ValuesContext): Values {
  return {
    logServer: { image: imageValue(images, IMAGES.logServer), replicas: config.replicas.trillianLogServer },
    logSigner: { image: imageValue(images, IMAGES.logSigner) },
    databaseHost: host(config, 'mariadb'),
    podAnnotations,
  };
}

/** Values of chart `ctlog`. */
export function ctlogValues(
  config: ApplianceConfig,
  { images, podAnnotations, prefix }: ValuesContext & { readonly prefix: string },
): Values {
  return { image: imageValue(images, IMAGES.ctlog), replicas: config.replicas.ctlog, prefix, podAnnotations };
}

/** How Fulcio finds the keys of the cluster's tokens. */
export interface IssuerValues {
  readonly url: string;
  readonly mode: 'relay' | 'direct';
  /** PEM of the CA of the issuer's certificate; empty: the system's roots. */
  readonly caCertificate: string;
}

/** Values of chart `fulcio`. */
export function fulcioValues(
  config: ApplianceConfig,
  {
    images,
    podAnnotations,
    prefix,
    issuer,
  }: ValuesContext & { readonly prefix: string; readonly issuer: IssuerValues },
): Values {
  return {
    image: imageValue(images, IMAGES.fulcio),
    sealiftImage: imageValue(images, IMAGES.sealift),
    replicas: config.replicas.fulcio,
    ctLogUrl: `https://${host(config, 'ctlog')}/${prefix}`,
    issuer: { ...issuer, clientId: config.issuer.clientId },
    podAnnotations,
  };
}

/** Values of chart `rekor`. */
export function rekorValues(
  config: ApplianceConfig,
  { images, podAnnotations, treeId }: ValuesContext & { readonly treeId: string },
): Values {
  return {
    image: imageValue(images, IMAGES.rekor),
    sealiftImage: imageValue(images, IMAGES.sealift),
    replicas: config.replicas.rekor,
    hostname: host(config, 'rekor'),
    treeId,
    trillian: { address: host(config, 'trillian-log-server'), port: 8091 },
    podAnnotations,
  };
}

/** Values of chart `tsa`. */
export function tsaValues(config: ApplianceConfig, { images, podAnnotations }: ValuesContext): Values {
  return { image: imageValue(images, IMAGES.tsa), replicas: config.replicas.tsa, podAnnotations };
}

/** Values of chart `tuf`. */
export function tufValues(config: ApplianceConfig, { images, podAnnotations }: ValuesContext): Values {
  return { image: imageValue(images, IMAGES.sealift), replicas: config.replicas.tuf, podAnnotations };
}

/** Values of chart `webhook`, registered with the API server. */
export function webhookValues(
  config: ApplianceConfig,
  context: ValuesContext & {
    /** Hex sha256 of root v1. */
    readonly rootSha256: string;
    /** base64 of the site CA in PEM. */
    readonly caBundle: string;
    readonly kubeSystemImages: readonly string[];
  },
): Values {
  const { images, podAnnotations, rootSha256, caBundle, kubeSystemImages } = context;
  const registry = registryHost(config);
  return {
    image: imageValue(images, IMAGES.sealift),
    replicas: config.replicas.webhook,
    rootSha256,
    caBundle,
    register: true,
    stateDir: config.nodes.stateDir,
    registry: { url: `https://${registry}`, names: [registry] },
    inventory: { digests: [...new Set(images.map(({ digest }) => digest))].sort(), kubeSystemImages },
    podAnnotations,
  };
}

/** The host that nodes and the webhook reach the site's registry at. */
export function registryHost(config: ApplianceConfig): string {
  return config.registry.kind === 'external' ? config.registry.host : host(config, 'registry', SEALIFT_NAMESPACE);
}

/** Values of chart `node-agent`. */
export function nodeAgentValues(
  config: ApplianceConfig,
  context: ValuesContext & {
    /** Hex sha256 of root v1. */
    readonly rootSha256: string;
    /** The registry as nodes reach it: they don't ask the cluster's DNS. */
    readonly registryAddress: string;
    /** Registry hosts that lead to the site's registry. */
    readonly mirrorHosts: readonly string[];
  },
): Values {
  const { images, podAnnotations, rootSha256, registryAddress, mirrorHosts } = context;
  return {
    image: imageValue(images, IMAGES.sealift),
    rootSha256,
    tufUrl: `https://${host(config, 'tuf')}`,
    registry: { url: `https://${registryHost(config)}`, address: registryAddress, hosts: mirrorHosts },
    stateDir: config.nodes.stateDir,
    certsDir: config.nodes.containerdConfigPath,
    podAnnotations,
  };
}
