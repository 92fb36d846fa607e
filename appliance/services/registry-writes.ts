/** What the gate makes of a request: passed on, or refused with the reason. */
export type GateDecision = { readonly kind: 'pass' } | { readonly kind: 'refuse'; readonly reason: string };

const PASS: GateDecision = { kind: 'pass' };
const READS = new Set(['GET', 'HEAD']);
const WRITES = new Set(['POST', 'PUT', 'PATCH']);

/** A write names a repository in the plain form of the distribution specification; anything else is not looked into. */
const WRITE_PATH =
  /^\/v2\/((?:[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?::[0-9]+)?\/)*[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)\/(?:blobs\/uploads|manifests)\//;

/**
 * Whether a request from the cluster's network may go on to the site's registry. Reading is for everybody: what is read is
 * verified by whoever reads it. Names of other registries (`registry.k8s.io/…`) belong to the bundle: nodes resolve tags
 * there, also for workloads that no webhook sees, so only the installer writes them, by a way that does not pass here.
 * Nobody deletes.
 * @param target path and query as the client wrote them (OCI distribution-spec, "Endpoints").
 */
export function gateDecision(method: string, target: string): GateDecision {
  if (READS.has(method)) return PASS;
  if (!WRITES.has(method)) return { kind: 'refuse', reason: `${method} is not allowed here` };
  const path = target.split('?', 1)[0] ?? '';
  const repository = WRITE_PATH.exec(path)?.[1];
  // Encoded, doubled or dotted segments might be read in another way behind the gate.
  if (repository === undefined || /%|\/\/|\/\.{1,2}(?:\/|$)/.test(path)) {
    return { kind: 'refuse', reason: 'not a write of the distribution API' };
  }
  return isMirrored(repository)
    ? { kind: 'refuse', reason: `${repository} is another registry's name: only a bundle brings it` }
    : PASS;
}

/** True for a repository under another registry's name: its first segment is a host. */
function isMirrored(repository: string): boolean {
  const [first = '', second] = repository.split('/');
  return second !== undefined && (/[.:]/.test(first) || first === 'localhost');
}
