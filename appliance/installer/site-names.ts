/** The namespace of the Sigstore services. */
export const STACK = 'sigstore-system';
/** The namespace of Sealift's own parts. */
export const SEALIFT = 'sealift-system';

/** Path prefix of the CT log, below its host. */
export const CT_PREFIX = 'sealift';

/** Names of the logs' trees in Trillian; at most 20 characters (its database's limit). */
export const TREES = { rekor: 'rekor-tree', ctlog: 'ctlog-tree' } as const;

/** The full name of a Service inside the cluster. */
export function serviceHost(service: string, namespace: string, clusterDomain: string): string {
  return `${service}.${namespace}.svc.${clusterDomain}`;
}

/** The names that a Service answers to inside the cluster, the full one first. */
export function serviceNames(service: string, namespace: string, clusterDomain: string): string[] {
  return [serviceHost(service, namespace, clusterDomain), `${service}.${namespace}.svc`, `${service}.${namespace}`];
}
