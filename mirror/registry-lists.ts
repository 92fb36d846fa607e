import { z } from 'zod';

import { parseJson } from '../appliance/kernel/json.ts';
import type { Descriptor } from './descriptor.ts';
import { MirrorError } from './mirror-error.ts';
import { MAX_MANIFEST_BYTES, MEDIA, parseManifest } from './oci-types.ts';
import type { RegistryRequest, RegistrySession } from './registry-session.ts';
import type { WireResponse } from './transport.ts';

type ListRequest = Omit<RegistryRequest, 'accept'>;

const MAX_PAGES = 1000;
const MAX_ENTRIES = 100_000;

const tagsSchema = z.object({ tags: z.array(z.string()).nullish() });

/** How registries say that they have no referrers API: 404 by the specification, the others where the path is not routed. */
const NO_SUCH_API = [404, 405, 501];

/** Everything that the referrers API lists, all pages; undefined when the registry has no such API. */
export async function listReferrers(
  session: RegistrySession,
  request: ListRequest,
): Promise<readonly Descriptor[] | undefined> {
  const found: Descriptor[] = [];
  const unsupported: boolean[] = [];
  const headers = { accept: MEDIA.ociIndex };
  await eachPage(session, { ...request, headers, accept: [200, ...NO_SUCH_API] }, async (response) => {
    if (NO_SUCH_API.includes(response.status)) {
      await response.drop();
      unsupported.push(true);
      return 0;
    }
    const index = parseManifest(await response.bytes(MAX_MANIFEST_BYTES), MEDIA.ociIndex);
    if (index.kind === 'index') found.push(...index.manifests);
    return found.length;
  });
  return unsupported.length === 0 ? found : undefined;
}

/** All tags, all pages; none for a repository that is not there. */
export async function listTags(session: RegistrySession, request: ListRequest): Promise<readonly string[]> {
  const found: string[] = [];
  await eachPage(session, { ...request, accept: [200, 404] }, async (response) => {
    const body = await response.bytes(MAX_MANIFEST_BYTES);
    if (response.status !== 200) return 0;
    const parsed = tagsSchema.safeParse(parseJson(body, 'tags list'));
    if (!parsed.success) throw protocol(request, 'the tags list is malformed');
    found.push(...(parsed.data.tags ?? []));
    return found.length;
  });
  return found;
}

async function eachPage(
  session: RegistrySession,
  request: RegistryRequest,
  take: (response: WireResponse) => Promise<number>,
): Promise<void> {
  let url: URL | undefined = request.url;
  for (let page = 0; url !== undefined; page += 1) {
    if (page >= MAX_PAGES) throw protocol(request, `more than ${MAX_PAGES} pages`);
    const response: WireResponse = await session.send({ ...request, url });
    const next = nextPage(response.header('link'), url);
    if ((await take(response)) > MAX_ENTRIES) throw protocol(request, `more than ${MAX_ENTRIES} entries`);
    url = next;
  }
}

/** The page that `Link: <…>; rel="next"` names. It must be of the same registry: credentials go with the request. */
export function nextPage(link: string | undefined, from: URL): URL | undefined {
  const target = /<([^<>]{1,4096})>\s*;\s*rel="?next"?/.exec(link ?? '')?.[1];
  if (target === undefined) return undefined;
  const url = URL.canParse(target, from.href) ? new URL(target, from) : undefined;
  if (url?.origin !== from.origin) {
    throw new MirrorError('REGISTRY_PROTOCOL', `${from.href}: the next page is not of the same registry`);
  }
  return url.href === from.href ? undefined : url;
}

function protocol({ url }: ListRequest, why: string): MirrorError {
  return new MirrorError('REGISTRY_PROTOCOL', `${url.href}: ${why}`);
}
