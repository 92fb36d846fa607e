/** One way in that a server offers in `WWW-Authenticate` (RFC 9110 §11.6.1). */
export interface AuthChallenge {
  /** Lower case: `bearer`, `basic`, … */
  readonly scheme: string;
  /** Parameter names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const MAX_HEADER = 8192;
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const PARAMETER = new RegExp(`^(${TOKEN})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN}))`);
const SCHEME = new RegExp(`^(${TOKEN})(?=\\s|,|$)`);

/**
 * Reads a `WWW-Authenticate` value that may carry several challenges. What can't be read ends the list: a broken
 * challenge is not answered.
 */
export function parseChallenges(header: string): AuthChallenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let rest = header.slice(0, MAX_HEADER).trimStart();
  while (rest !== '') {
    const parameter = PARAMETER.exec(rest);
    const current = challenges.at(-1);
    if (parameter !== null && current !== undefined) {
      const [whole, name = '', quoted, bare = ''] = parameter;
      current.parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? bare);
      rest = rest.slice(whole.length);
    } else {
      const scheme = SCHEME.exec(rest)?.[1];
      if (scheme === undefined) break;
      challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
      rest = rest.slice(scheme.length);
    }
    rest = rest.replace(/^[\s,]+/, '');
  }
  return challenges;
}

/** Where to ask for a token, or why that is not done. */
export type TokenRealm = { readonly url: URL } | { readonly refused: string };

/**
 * The token server that a bearer challenge names. Credentials will go there, so it must speak TLS; only a registry that
 * is itself reached by plain HTTP may name a plain one, and then only on its own host.
 */
export function tokenRealm(challenge: AuthChallenge, registryOrigin: string): TokenRealm {
  const realm = challenge.parameters.get('realm');
  if (realm === undefined || !URL.canParse(realm)) return { refused: 'the challenge names no token server' };
  const url = new URL(realm);
  const registry = new URL(registryOrigin);
  const samePlainHost = url.protocol === 'http:' && registry.protocol === 'http:' && url.hostname === registry.hostname;
  if (url.protocol !== 'https:' && !samePlainHost) {
    return { refused: `the token server ${url.origin} does not speak https` };
  }
  if (url.username !== '' || url.password !== '') return { refused: 'the token server URL holds credentials' };
  return { url };
}
