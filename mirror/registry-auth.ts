import { z } from 'zod';

import { parseJson } from '../appliance/kernel/json.ts';
import { type AuthChallenge, parseChallenges, tokenRealm } from './auth-challenge.ts';
import type { CredentialSource, Credentials } from './credentials.ts';
import { MirrorError } from './mirror-error.ts';
import type { Transport, WireRequest } from './transport.ts';

/** Who is asked, and for what. */
export interface AuthorizationRequest {
  /** The registry that the request goes to; what is answered is only ever sent there. */
  readonly origin: string;
  /** `repository:<path>:pull` and the like (distribution token scopes). */
  readonly scopes: readonly string[];
}

/** Answers a registry's challenges and remembers the answers, each bound to one origin. */
export interface Authorizer {
  /** The `Authorization` value that worked before, if any. */
  known(request: AuthorizationRequest): Promise<string | undefined>;
  /**
   * A new `Authorization` value for a request that was answered 401 with `challenge`; undefined when there is no way in.
   * @param refused the value that the refused request carried.
   */
  answer(
    request: AuthorizationRequest,
    told: { challenge: string; refused: string | undefined; signal?: AbortSignal | undefined },
  ): Promise<string | undefined>;
}

const MAX_TOKEN_BYTES = 256 * 1024;
// Tokens go into a header: nothing that could end it.
const tokenText = z
  .string()
  .min(1)
  .regex(/^[\x21-\x7e]+$/);
const tokenSchema = z.object({ token: tokenText.exactOptional(), access_token: tokenText.exactOptional() });

/** An authorizer that takes credentials from `source` and talks to token servers through `transport`. */
export function registryAuthorizer(source: CredentialSource, transport: Transport): Authorizer {
  const answers = new Map<string, Promise<string | undefined>>();
  return {
    known: async (request) => await answers.get(keyOf(request))?.catch(() => undefined),
    answer: async (request, { challenge, refused, signal }) => {
      const key = keyOf(request);
      const underway = answers.get(key);
      // Another request may have renewed the token meanwhile.
      if (underway !== undefined) {
        const renewed = await underway.catch(() => undefined);
        if (renewed !== undefined && renewed !== refused) return renewed;
      }
      const fresh = answerFor(request, challenge, signal);
      answers.set(key, fresh);
      return await fresh;
    },
  };

  async function answerFor(
    request: AuthorizationRequest,
    header: string,
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    const challenges = parseChallenges(header);
    const credentials = await source.credentialsFor(new URL(request.origin).host);
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    if (bearer !== undefined) return await fetchToken({ request, challenge: bearer, credentials, signal });
    const offersBasic = challenges.some(({ scheme }) => scheme === 'basic');
    return offersBasic && credentials?.kind === 'password' ? basic(credentials) : undefined;
  }

  async function fetchToken(ask: TokenAsk): Promise<string> {
    const realm = tokenRealm(ask.challenge, ask.request.origin);
    if ('refused' in realm) throw new MirrorError('REGISTRY_UNAUTHORIZED', `${ask.request.origin}: ${realm.refused}`);
    const answer = await transport.send(tokenRequest(realm.url, ask)).catch((cause: unknown) => {
      throw new MirrorError('REGISTRY_UNREACHABLE', `token server ${realm.url.origin} can't be reached`, { cause });
    });
    if (answer.status !== 200) {
      await answer.drop();
      throw new MirrorError(
        'REGISTRY_UNAUTHORIZED',
        `token server ${realm.url.origin} answered ${answer.status} for ${ask.request.scopes.join(' ')}`,
        { fix: `docker login ${new URL(ask.request.origin).host}` },
      );
    }
    const parsed = tokenSchema.safeParse(parseJson(await answer.bytes(MAX_TOKEN_BYTES), 'token answer'));
    const token = parsed.success ? (parsed.data.token ?? parsed.data.access_token) : undefined;
    if (token === undefined) throw new MirrorError('REGISTRY_PROTOCOL', `${realm.url.origin} answered without a token`);
    return `Bearer ${token}`;
  }
}

interface TokenAsk {
  readonly request: AuthorizationRequest;
  readonly challenge: AuthChallenge;
  readonly credentials: Credentials | undefined;
  readonly signal: AbortSignal | undefined;
}

/** The token request of the distribution specification: GET with Basic, or POST with a refresh token. */
function tokenRequest(realm: URL, { request, challenge, credentials, signal }: TokenAsk): WireRequest {
  const asked = challenge.parameters.get('scope')?.split(' ') ?? [];
  const scopes = [...new Set([...asked, ...request.scopes])].filter((scope) => scope !== '');
  const service = challenge.parameters.get('service');
  const cancel = signal === undefined ? {} : { signal };
  if (credentials?.kind === 'identityToken') {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: 'sealift',
      ...(service === undefined ? {} : { service }),
      scope: scopes.join(' '),
      refresh_token: credentials.identityToken,
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return { method: 'POST', url: realm, headers, body: Buffer.from(form.toString()), ...cancel };
  }
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  const headers = credentials === undefined ? {} : { authorization: basic(credentials) };
  return { method: 'GET', url, headers: { accept: 'application/json', ...headers }, ...cancel };
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function keyOf({ origin, scopes }: AuthorizationRequest): string {
  return `${origin} ${scopes.toSorted().join(' ')}`;
}
