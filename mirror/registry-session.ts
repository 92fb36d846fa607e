import { z } from 'zod';

import type { Clock } from '../appliance/kernel/clock.ts';
import { CodedError } from '../appliance/kernel/coded-error.ts';
import { parseJson } from '../appliance/kernel/json.ts';
import { type HttpOutcome, MirrorError, type MirrorErrorCode } from './mirror-error.ts';
import type { Authorizer } from './registry-auth.ts';
import { isPassing, pauseBefore, type RetryPolicy, retryAfterMs } from './retry.ts';
import type { Transport, WireRequest, WireResponse } from './transport.ts';

/** One request to a registry. */
export interface RegistryRequest {
  readonly method: WireRequest['method'];
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Makes the body; called again for each try. */
  readonly body?: () => Uint8Array | AsyncIterable<Uint8Array>;
  /** The registry's origin: credentials are sent there and nowhere else. */
  readonly origin: string;
  readonly scopes: readonly string[];
  /** Statuses that the caller understands; every other one is an error. */
  readonly accept: readonly number[];
  /** False for a request that must not be sent twice. */
  readonly retries?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** What every request to one repository has in common. */
export type RequestMaker = (
  method: RegistryRequest['method'],
  pathAndQuery: string,
) => Omit<RegistryRequest, 'accept'> & { readonly scopes: readonly string[] };

/** Sends requests with credentials, redirects and retries. */
export interface RegistrySession {
  /**
   * @throws MirrorError `REGISTRY_UNREACHABLE`, `REGISTRY_UNAUTHORIZED`, `REGISTRY_NOT_FOUND`, `REGISTRY_STATUS`,
   *   `REGISTRY_PROTOCOL`, `INTERRUPTED`.
   */
  send(request: RegistryRequest): Promise<WireResponse>;
  readonly retry: RetryPolicy;
}

const MAX_REDIRECTS = 5;
const MAX_ERROR_BYTES = 64 * 1024;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** What a session is made of. */
export interface SessionParts {
  readonly transport: Transport;
  readonly authorizer: Authorizer;
  readonly retry: RetryPolicy;
  readonly clock: Clock;
}

/** A session over `parts`. */
export function registrySession({ transport, authorizer, retry, clock }: SessionParts): RegistrySession {
  return { send, retry };

  async function send(request: RegistryRequest): Promise<WireResponse> {
    const attempts = request.retries === false ? 1 : retry.attempts;
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await tryOnce(request);
      if ('response' in outcome) return outcome.response;
      if (outcome.passing === undefined || attempt >= attempts) throw outcome.error;
      await pause(request, pauseBefore(retry, attempt, outcome.passing.retryAfterMs));
    }
  }

  async function pause(request: RegistryRequest, ms: number): Promise<void> {
    await retry.wait(ms, request.signal).catch((cause: unknown) => {
      throw interrupted(cause);
    });
  }

  async function tryOnce(request: RegistryRequest): Promise<Outcome> {
    let response: WireResponse;
    try {
      response = await authorized(request);
    } catch (cause) {
      if (cause instanceof CodedError) return { error: cause };
      if (request.signal?.aborted === true) return { error: interrupted(cause) };
      const error = new MirrorError('REGISTRY_UNREACHABLE', `${what(request)}: no answer`, { cause });
      return { error, passing: {} };
    }
    if (request.accept.includes(response.status)) return { response };
    const askedMs = retryAfterMs(response.header('retry-after'), clock.now());
    const http = { status: response.status, ...(askedMs === undefined ? {} : { retryAfterMs: askedMs }) };
    const error = await statusError(request, response, http);
    return isPassing(response.status) ? { error, passing: http } : { error };
  }

  async function authorized(request: RegistryRequest): Promise<WireResponse> {
    const { origin, scopes, signal } = request;
    const known = await authorizer.known({ origin, scopes });
    const first = await followed(request, known);
    const challenge = first.response.header('www-authenticate');
    // Only the registry itself may ask for its credentials; a host that it redirected to may not.
    if (first.response.status !== 401 || first.origin !== origin || challenge === undefined) return first.response;
    await first.response.drop();
    const answer = await authorizer.answer({ origin, scopes }, { challenge, refused: known, signal });
    if (answer === undefined) throw unauthorized(request);
    return (await followed(request, answer)).response;
  }

  async function followed(request: RegistryRequest, authorization: string | undefined): Promise<Landed> {
    let url = request.url;
    for (let hop = 0; hop <= MAX_REDIRECTS; hop += 1) {
      const response = await transport.send(wireRequest(request, url, authorization));
      const location = response.header('location');
      const follows = request.method === 'GET' || request.method === 'HEAD';
      if (!follows || !REDIRECTS.has(response.status) || location === undefined) {
        return { response, origin: url.origin };
      }
      await response.drop();
      url = redirectTarget(location, url);
    }
    throw new MirrorError('REGISTRY_PROTOCOL', `${what(request)}: more than ${MAX_REDIRECTS} redirects`);
  }
}

type Outcome =
  | { readonly response: WireResponse }
  | { readonly error: Error; readonly passing?: { readonly retryAfterMs?: number } };

interface Landed {
  readonly response: WireResponse;
  readonly origin: string;
}

function wireRequest(request: RegistryRequest, url: URL, authorization: string | undefined): WireRequest {
  const sendsCredentials = authorization !== undefined && url.origin === request.origin;
  return {
    method: request.method,
    url,
    headers: {
      'user-agent': 'sealift',
      ...request.headers,
      ...(sendsCredentials ? { authorization } : {}),
    },
    ...(request.body === undefined ? {} : { body: request.body() }),
    ...(request.signal === undefined ? {} : { signal: request.signal }),
  };
}

/** Where a `Location` leads. Never from https to http, never to another scheme. */
export function redirectTarget(location: string, from: URL): URL {
  if (!URL.canParse(location, from.href))
    throw new MirrorError('REGISTRY_PROTOCOL', `${from.href}: malformed Location`);
  const target = new URL(location, from);
  const downgraded = from.protocol === 'https:' && target.protocol !== 'https:';
  if (downgraded || (target.protocol !== 'http:' && target.protocol !== 'https:')) {
    throw new MirrorError('REGISTRY_PROTOCOL', `${from.href}: redirected to ${target.protocol}, which is not followed`);
  }
  return target;
}

const errorBodySchema = z.object({
  errors: z.array(z.object({ code: z.string(), message: z.string().optional() })).min(1),
});

async function statusError(request: RegistryRequest, response: WireResponse, http: HttpOutcome): Promise<MirrorError> {
  const body = await response.bytes(MAX_ERROR_BYTES).catch(() => undefined);
  const told = body === undefined ? '' : toldIn(body);
  const code = codeFor(response.status);
  const hint = code === 'REGISTRY_UNAUTHORIZED' ? { fix: loginHint(request) } : {};
  return new MirrorError(code, `${what(request)}: answered ${response.status}${told}`, { http, ...hint });
}

/** The registry's own words (distribution-spec "Error Codes"), cut and without control characters. */
function toldIn(body: Buffer): string {
  try {
    const parsed = errorBodySchema.safeParse(parseJson(body, 'error answer'));
    const first = parsed.success ? parsed.data.errors[0] : undefined;
    if (first === undefined) return '';
    return ` (${`${first.code} ${first.message ?? ''}`
      .replace(/[^\x20-\x7e]/g, ' ')
      .trim()
      .slice(0, 200)})`;
  } catch {
    return '';
  }
}

function codeFor(status: number): MirrorErrorCode {
  if (status === 404) return 'REGISTRY_NOT_FOUND';
  return status === 401 || status === 403 ? 'REGISTRY_UNAUTHORIZED' : 'REGISTRY_STATUS';
}

function unauthorized(request: RegistryRequest): MirrorError {
  return new MirrorError('REGISTRY_UNAUTHORIZED', `${what(request)}: asks for credentials, and there are none`, {
    fix: loginHint(request),
  });
}

function loginHint({ origin }: RegistryRequest): string {
  return `docker login ${new URL(origin).host}, and name that docker config file`;
}

/** The request for people; without the query, where upload sessions keep their state. */
function what({ method, url }: RegistryRequest): string {
  return `${method} ${url.origin}${url.pathname}`;
}

function interrupted(cause: unknown): MirrorError {
  return new MirrorError('INTERRUPTED', 'interrupted', { cause });
}
