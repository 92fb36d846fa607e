import path from 'node:path';
import type { LabLayout } from '../layout.ts';

/**
 * Ports of the connected side, all on 127.0.0.1 in its own network namespace, so that they can be the same in every
 * lab.
 */
export const PORTS = {
  registry: 5000,
  tuf: 8000,
  rekorTiles: 8001,
  rekor: 3000,
  rekorV2: 3003,
  rekorV2Grpc: 3004,
  rekorV2Metrics: 2116,
  fulcio: 5555,
  fulcioGrpc: 5554,
  fulcioMetrics: 2117,
  ctlog: 6962,
  ctlogMetrics: 6963,
  tsa: 3005,
  trillian: 8091,
  trillianHttp: 8090,
  trillianSignerHttp: 8092,
  trillianSigner: 8093,
  database: 3306,
  /** The issuers speak TLS on the port that their URLs mean. */
  issuers: 443,
} as const;

/** `http://127.0.0.1:PORT`. */
export function localUrl(port: number): string {
  return `http://127.0.0.1:${port}`;
}

/** Names that the upstream Sigstore's services have in its trusted root and in checkpoints. */
export const UPSTREAM_HOSTS = {
  fulcio: 'fulcio.sigstore.example',
  rekor: 'rekor.sigstore.example',
  rekorV2: 'log2026-1.rekor.sigstore.example',
  ctlog: 'ctfe.sigstore.example',
  tsa: 'timestamp.sigstore.example',
  tuf: 'tuf.sigstore.example',
} as const;

/** The CT log's path below its host. */
export const CTLOG_PREFIX = '2026';

/** Who vouches for signers: people, and a continuous integration service. */
export const ISSUERS = {
  accounts: 'https://accounts.acme.example',
  ci: 'https://ci.acme.example',
} as const;

/** Where the connected side keeps its things, below the lab's folder. */
export interface UpstreamPaths {
  readonly dir: string;
  /** Private keys. */
  readonly keys: string;
  readonly certificates: string;
  /** The servers' configuration files. */
  readonly config: string;
  readonly database: string;
  readonly registry: string;
  readonly tiles: string;
  /** The TUF repository that is served. */
  readonly tuf: string;
  /** Documents for clients: trusted root, signing configs, predicates. */
  readonly client: string;
  readonly cosignHome: string;
}

/** The folders of a lab's connected side. */
export function upstreamPaths(layout: LabLayout): UpstreamPaths {
  const dir = path.join(layout.dir, 'connected');
  const below = (name: string) => path.join(dir, name);
  return {
    dir,
    keys: below('keys'),
    certificates: below('certificates'),
    config: below('config'),
    database: below('database'),
    registry: below('registry'),
    tiles: below('rekor-v2'),
    tuf: below('tuf'),
    client: below('client'),
    cosignHome: below('cosign-home'),
  };
}
