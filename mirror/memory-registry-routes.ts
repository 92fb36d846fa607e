import type { IncomingMessage, ServerResponse } from 'node:http';

import { answerBlobs } from './memory-registry-blobs.ts';
import { type Exchange, type RegistryState, sendError, sendJson } from './memory-registry-exchange.ts';
import { answerManifests, answerReferrers } from './memory-registry-manifests.ts';
import { answerUploads } from './memory-registry-uploads.ts';

const NAME = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*';
const REPOSITORY_PATH = new RegExp(`^/v2/(${NAME})/(manifests|blobs/uploads|blobs|referrers|tags)/(.*)$`);

/** Finds what a request is about and answers it. */
export async function routeRequest(
  state: RegistryState,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://registry.invalid');
  if (url.pathname === '/v2/' || url.pathname === '/v2') {
    sendJson(response, { status: 200 }, {});
    return;
  }
  if (url.pathname === '/v2/_catalog') {
    const names = [...state.repositories.keys()].sort();
    sendPage({ state, response, url }, names, (page) => ({ repositories: page }));
    return;
  }
  const [, name, kind, target] = REPOSITORY_PATH.exec(decodeURIComponent(url.pathname)) ?? [];
  if (name === undefined || target === undefined || name.length > 255) {
    sendError(response, 404, 'NAME_INVALID');
    return;
  }
  const exchange: Exchange = { state, request, response, query: url.searchParams, name, target };
  await answerKind(exchange, kind ?? '', url);
}

async function answerKind(exchange: Exchange, kind: string, url: URL): Promise<void> {
  switch (kind) {
    case 'manifests':
      await answerManifests(exchange);
      return;
    case 'blobs/uploads':
      await answerUploads(exchange);
      return;
    case 'blobs':
      answerBlobs(exchange);
      return;
    case 'referrers':
      answerReferrers(exchange);
      return;
    default:
      answerTags(exchange, url);
  }
}

function answerTags({ state, response, name }: Exchange, url: URL): void {
  const repository = state.repositories.get(name);
  if (repository === undefined) sendError(response, 404, 'NAME_UNKNOWN');
  else sendPage({ state, response, url }, [...repository.tags.keys()].sort(), (tags) => ({ name, tags }));
}

function sendPage(
  { state, response, url }: { state: RegistryState; response: ServerResponse; url: URL },
  entries: readonly string[],
  body: (page: readonly string[]) => unknown,
): void {
  const last = url.searchParams.get('last') ?? '';
  const asked = Number(url.searchParams.get('n') ?? state.pageSize);
  const size = Math.min(state.pageSize, Number.isSafeInteger(asked) && asked >= 0 ? asked : state.pageSize);
  const rest = entries.filter((entry) => entry > last);
  const page = rest.slice(0, size);
  const final = page.at(-1);
  const hasMore = rest.length > page.length && final !== undefined;
  const link = `<${url.pathname}?n=${size}&last=${encodeURIComponent(final ?? '')}>; rel="next"`;
  sendJson(response, { status: 200, headers: hasMore ? { link } : {} }, body(page));
}
