import { MirrorError } from './mirror-error.ts';

/**
 * Where registries are really reached: original host to base URL. A path in the URL goes before the repository:
 * `{'ghcr.io': 'http://127.0.0.1:5000/ghcr.io'}` finds `ghcr.io/a/b` at `http://127.0.0.1:5000/v2/ghcr.io/a/b/…`.
 * The key `*` stands for every host that is not named, the host itself then goes before the repository.
 */
export type MirrorMap = Readonly<Record<string, string>>;

/** One repository as a server knows it. */
export interface RepositoryEndpoint {
  /** Scheme, host and port; credentials never leave it. */
  readonly origin: string;
  /** Path of the repository below `/v2/`. */
  readonly path: string;
}

/** Docker Hub's registry answers under another name than its images carry. */
const WELL_KNOWN: MirrorMap = { 'docker.io': 'https://registry-1.docker.io' };

/**
 * The endpoint of `host/repository`: by the map, else `https://<host>`. Plain HTTP is used only where the map says so.
 * @throws MirrorError `REGISTRY_URL_INVALID`.
 */
export function endpointOf(name: { host: string; repository: string }, mirrors: MirrorMap = {}): RepositoryEndpoint {
  const { host, repository } = name;
  const base = mirrors[host] ?? baseForAny(mirrors, host) ?? WELL_KNOWN[host] ?? `https://${host}`;
  const url = parseBase(base, host);
  const prefix = url.pathname.replace(/^\/+|\/+$/g, '');
  return { origin: url.origin, path: prefix === '' ? repository : `${prefix}/${repository}` };
}

function baseForAny(mirrors: MirrorMap, host: string): string | undefined {
  const base = mirrors['*'];
  return base === undefined ? undefined : `${base.replace(/\/+$/, '')}/${host}`;
}

function parseBase(base: string, host: string): URL {
  const url = URL.canParse(base) ? new URL(base) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new MirrorError('REGISTRY_URL_INVALID', `mirror of ${host}: ${JSON.stringify(base)} is no http(s) URL`);
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new MirrorError(
      'REGISTRY_URL_INVALID',
      `mirror of ${host}: its URL may have a host, a port and a path only`,
      {
        fix: 'put credentials into the docker config file',
      },
    );
  }
  return url;
}
