import { z } from 'zod';

import { boundedFetch } from '../appliance/kernel/bounded-fetch.ts';
import { parseJson } from '../appliance/kernel/json.ts';
import { MirrorError } from '../mirror/mirror-error.ts';
import { nextPage } from '../mirror/registry-lists.ts';

/** Where a registry is asked for its repositories. */
export interface CatalogSource {
  /** `https://host[:port]`. */
  readonly url: string;
  /** PEM of the CA that its certificate chains to. */
  readonly ca?: string;
  readonly signal?: AbortSignal;
}

const MAX_PAGE_BYTES = 4 * 1024 * 1024;
const MAX_PAGES = 200;
const TIMEOUT_MS = 15_000;

const catalogSchema = z.object({ repositories: z.array(z.string().max(512)).nullish() });

/**
 * The paths of all repositories of a registry, sorted (`GET /v2/_catalog`, which distribution and most others have).
 * @throws MirrorError `REGISTRY_UNREACHABLE`, `REGISTRY_STATUS`, `REGISTRY_PROTOCOL`.
 */
export async function listRepositories({ url, ca, signal }: CatalogSource): Promise<string[]> {
  const found = new Set<string>();
  let page: URL | undefined = new URL('/v2/_catalog?n=1000', url);
  for (let pages = 0; page !== undefined; pages += 1) {
    if (pages >= MAX_PAGES) throw new MirrorError('REGISTRY_PROTOCOL', `${url}: more than ${MAX_PAGES} catalog pages`);
    const current: URL = page;
    const answer = await boundedFetch(current, {
      maxBytes: MAX_PAGE_BYTES,
      timeoutMs: TIMEOUT_MS,
      ...(ca === undefined ? {} : { ca }),
      ...(signal === undefined ? {} : { signal }),
    }).catch((cause: unknown) => {
      throw new MirrorError('REGISTRY_UNREACHABLE', `${current.href}: could not be read`, { cause });
    });
    if (answer.status !== 200) throw new MirrorError('REGISTRY_STATUS', `${current.href}: answered ${answer.status}`);
    for (const name of repositoriesIn(answer.body, current)) found.add(name);
    const link = answer.headers['link'];
    page = nextPage(Array.isArray(link) ? link.join(', ') : link, current);
  }
  return [...found].sort();
}

function repositoriesIn(body: Buffer, url: URL): readonly string[] {
  try {
    return (
      catalogSchema.parse(parseJson(body, 'catalog', { maxBytes: MAX_PAGE_BYTES, maxDepth: 8 })).repositories ?? []
    );
  } catch (cause) {
    throw new MirrorError('REGISTRY_PROTOCOL', `${url.href}: the catalog is malformed`, { cause });
  }
}
