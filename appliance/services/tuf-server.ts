import type { RepositoryStore } from '../../trust-root/repository-store.ts';
import type { Log } from '../kernel/log.ts';
import { repeat } from '../kernel/repeat.ts';
import type { Address } from './address.ts';
import { type RunningService, type ServiceAnswer, type ServiceHandler, startHttpsService } from './https-service.ts';
import { TufFiles } from './tuf-files.ts';

/** How often the store is looked at: what was published is served within this time. */
const LOOK_EVERY_MS = 1_500;

/** What the TUF server is started with. */
export interface TufServerOptions {
  readonly listen: Address;
  readonly tlsDir: string;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Serves a TUF repository over HTTPS until the signal aborts. @throws those of {@link startHttpsService}. */
export async function startTufServer(store: RepositoryStore, options: TufServerOptions): Promise<RunningService> {
  const files = new TufFiles(store, options.log);
  await files.look();
  void repeat(() => files.look(), { everyMs: LOOK_EVERY_MS }, options.signal);
  return await startHttpsService({ ...options, handler: tufHandler(files) });
}

/** Answers for the files of a repository, `/healthz` and `/readyz`. */
export function tufHandler(files: TufFiles): ServiceHandler {
  return async ({ path, rawPath, headers }) => {
    if (path === '/healthz') return text(200, 'ok');
    if (path === '/readyz') return files.isReady ? text(200, 'ok') : text(503, 'no repository yet');
    if (!files.isReady) return { ...text(503, 'no repository yet'), headers: { 'retry-after': '2' } };
    const name = path.slice(1);
    // A role's name may have a slash; its metadata then lies under the encoded name, which clients write as it is.
    const file = (await files.file(name)) ?? (await files.file(rawPath.slice(1)));
    // A client asks for the next root until it gets a 404 (TUF 5.3.3); it must not be cached.
    if (file === undefined) return { ...text(404, 'not found'), headers: { 'cache-control': 'no-store' } };
    const cacheControl = file.immutable ? 'public, max-age=31536000, immutable' : 'no-cache';
    const common = { etag: file.etag, 'cache-control': cacheControl };
    if (headers['if-none-match'] === file.etag) return { status: 304, headers: common };
    return { status: 200, headers: { ...common, 'content-type': contentType(name) }, body: file.bytes };
  };
}

function contentType(name: string): string {
  if (name.endsWith('.json')) return 'application/json';
  return /\.(pem|pub|crt)$/.test(name) ? 'application/x-pem-file' : 'application/octet-stream';
}

function text(status: number, body: string): ServiceAnswer {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: `${body}\n` };
}
