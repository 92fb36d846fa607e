import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { BuiltImage } from '../../images/image-layout.ts';
import { LabError } from '../lab-error.ts';
import { type LabLayout, netnsFile, netnsName } from '../layout.ts';
import { CLIENT_FILES } from './cosign.ts';
import type { ApplicationFacts } from './signed-images.ts';
import { ISSUERS, localUrl, PORTS, upstreamPaths } from './upstream.ts';

/** What others need to know about a lab's connected side; under `connected` in `lab.json`. */
export interface ConnectedFacts {
  readonly netns: string;
  readonly dir: string;
  /** `host:port`, plain HTTP, of the registry that holds everything. */
  readonly registry: string;
  /** bundle.yaml's mirror map: where each registry's images are, here with the registry's own name as first part. */
  readonly mirrors: Readonly<Record<string, string>>;
  /** The upstream Sigstore's TUF repository, and the first root to pin. */
  readonly tuf: { readonly url: string; readonly root: string };
  /** A name for the upstream Sigstore as a trust domain. */
  readonly trustDomain: string;
  readonly services: Readonly<Record<'fulcio' | 'rekor' | 'rekorV2' | 'rekorTiles' | 'tsa' | 'ctlog', string>>;
  readonly issuers: Readonly<Record<keyof typeof ISSUERS, string>>;
  /** Files for clients that are not given the TUF repository. */
  readonly client: { readonly trustedRoot: string; readonly signingConfigV1: string; readonly signingConfigV2: string };
  readonly images: readonly { readonly reference: string; readonly digest: string }[];
  readonly applications: readonly ApplicationFacts[];
}

/** Where a lab's connected side writes its facts. */
export function factsFile(layout: LabLayout): string {
  return path.join(upstreamPaths(layout).dir, 'facts.json');
}

/** What was published and signed. */
export interface Published {
  readonly images: readonly BuiltImage[];
  readonly applications: readonly ApplicationFacts[];
}

/** The facts of a connected side that is up. */
export function describeConnected(layout: LabLayout, { images, applications }: Published): ConnectedFacts {
  const { dir, tuf, client } = upstreamPaths(layout);
  const registry = `127.0.0.1:${PORTS.registry}`;
  const hosts = new Set(images.map(({ reference }) => hostOf(reference)));
  return {
    netns: netnsFile(netnsName(layout, 'connected')),
    dir,
    registry,
    mirrors: Object.fromEntries([...hosts].sort().map((host) => [host, `http://${registry}/${host}`])),
    tuf: { url: localUrl(PORTS.tuf), root: path.join(tuf, '1.root.json') },
    trustDomain: 'sigstore.example',
    services: {
      fulcio: localUrl(PORTS.fulcio),
      rekor: localUrl(PORTS.rekor),
      rekorV2: localUrl(PORTS.rekorV2),
      rekorTiles: localUrl(PORTS.rekorTiles),
      tsa: localUrl(PORTS.tsa),
      ctlog: localUrl(PORTS.ctlog),
    },
    issuers: ISSUERS,
    client: {
      trustedRoot: path.join(client, CLIENT_FILES.trustedRoot),
      signingConfigV1: path.join(client, CLIENT_FILES.signingConfigV1),
      signingConfigV2: path.join(client, CLIENT_FILES.signingConfigV2),
    },
    images: images.map(({ reference, digest }) => ({ reference, digest })),
    applications,
  };
}

function hostOf(reference: string): string {
  return reference.slice(0, reference.indexOf('/'));
}

/**
 * The facts of a lab's connected side.
 * @throws LabError `LAB_MISSING` when it didn't come up.
 */
export async function loadConnectedFacts(layout: LabLayout): Promise<ConnectedFacts> {
  const text = await readFile(factsFile(layout), 'utf8').catch((cause: unknown) => {
    throw new LabError('LAB_MISSING', `the connected side of lab ${layout.name} isn't up`, { cause });
  });
  return JSON.parse(text) as ConnectedFacts;
}
