import { boundedFetch } from '../appliance/kernel/bounded-fetch.ts';
import { describeError, KernelError } from '../appliance/kernel/coded-error.ts';
import type { RepositoryStore } from './repository-store.ts';
import { TrustRootError } from './trust-root-error.ts';

/** One file of a repository as a client asks for it. */
export interface TufFile {
  /** Metadata lies at the repository's base, targets below its targets base. */
  readonly kind: 'metadata' | 'target';
  /** `3.root.json`; `upstream/sigstore.dev/<sha256>.trusted_root.json`. Not encoded. */
  readonly path: string;
  /** Most bytes to take. */
  readonly maxBytes: number;
}

/** How a TUF client gets at a repository. What comes is untrusted. */
export interface TufTransport {
  /**
   * The file's bytes; `undefined` when the repository says that it has none (404, 403).
   * @throws TrustRootError `FETCH_FAILED`, also for a file above `maxBytes`.
   */
  fetch(file: TufFile): Promise<Buffer | undefined>;
}

/** Options of {@link urlTransport}. */
export interface UrlTransportOptions {
  /** Where targets lie; `targets/` below the repository's URL unless told. */
  readonly targetsUrl?: URL;
  /** PEM certificates that an https server must chain to. */
  readonly ca?: string;
  /** Most milliseconds for one file. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A repository behind an `https:`, `http:` or `file:` URL. */
export function urlTransport(repository: URL, options: UrlTransportOptions = {}): TufTransport {
  const base = withSlash(repository);
  const targets = withSlash(options.targetsUrl ?? new URL('targets/', base));
  const { ca, timeoutMs, signal } = options;
  const extra = {
    ...(ca === undefined ? {} : { ca }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(signal === undefined ? {} : { signal }),
  };
  return {
    fetch: async ({ kind, path, maxBytes }) => {
      const url = kind === 'metadata' ? metadataUrl(base, path) : targetUrl(targets, path);
      const response = await boundedFetch(url, { maxBytes, ...extra }).catch((cause: unknown) => {
        throw fetchFailed(describeError(cause), cause);
      });
      if (response.status === 404 || response.status === 403) return undefined;
      if (response.status !== 200) throw fetchFailed(`${url.href}: the server answered ${response.status}`);
      return response.body;
    },
  };
}

/** A repository that a {@link RepositoryStore} holds; for the side that writes it, and for tests. */
export function storeTransport(store: RepositoryStore): TufTransport {
  return {
    fetch: async ({ kind, path, maxBytes }) => {
      const name = kind === 'metadata' ? encodeURIComponent(path) : `targets/${path}`;
      const bytes = await store.read(name);
      if (bytes !== undefined && bytes.byteLength > maxBytes) {
        throw fetchFailed(`${name}: more than the ${maxBytes} bytes that are taken`);
      }
      return bytes;
    },
  };
}

function fetchFailed(reason: string, cause?: unknown): TrustRootError {
  const tooLarge = cause instanceof KernelError && cause.code === 'TOO_LARGE';
  return new TrustRootError('FETCH_FAILED', reason, {
    cause,
    // A repository that answers without end is not one that can't be reached.
    ...(tooLarge ? { exitCode: 3 } : {}),
  });
}

function withSlash(url: URL): URL {
  return url.pathname.endsWith('/') ? url : new URL(`${url.href}/`);
}

/** A role's name is any text (TUF spec §4.5); in a URL it is one path segment. */
function metadataUrl(base: URL, path: string): URL {
  return new URL(encodeURIComponent(path), base);
}

function targetUrl(base: URL, path: string): URL {
  const segments = path.split('/');
  // The URL standard resolves dot segments, which would leave the targets' folder.
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..')) {
    throw new TrustRootError('NAME_INVALID', `not a target's path: ${JSON.stringify(path.slice(0, 200))}`);
  }
  return new URL(segments.map(encodeURIComponent).join('/'), base);
}
