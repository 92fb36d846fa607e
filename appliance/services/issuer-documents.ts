import { z } from 'zod';

import type { Clock } from '../kernel/clock.ts';
import { describeError } from '../kernel/coded-error.ts';
import { parseJson } from '../kernel/json.ts';
import type { Log } from '../kernel/log.ts';
import { ServiceError } from './service-error.ts';

/** How the API server is asked: GET of one of its paths. */
export type RawGet = (path: string) => Promise<Buffer>;

/** Where the API server serves its service-account issuer's discovery document (OpenID Connect Discovery 1.0 §4). */
export const DISCOVERY_PATH = '/.well-known/openid-configuration';
/** Where it serves the keys, whatever host its discovery document names. */
export const KEYS_PATH = '/openid/v1/jwks';

const FRESH_MS = 60_000;
const MAX_BYTES = 256 * 1024;

const discoverySchema = z.object({
  issuer: z.url({ protocol: /^https$/ }).max(2048),
  response_types_supported: z.array(z.string()).max(32),
  subject_types_supported: z.array(z.string()).max(32),
  id_token_signing_alg_values_supported: z.array(z.string()).max(32),
});
// RFC 7517/7518, public parameters only: a private one never goes out, even if the server were to send it.
const keySchema = z.object({
  kty: z.enum(['RSA', 'EC', 'OKP']),
  kid: z.string().max(1024).exactOptional(),
  use: z.string().exactOptional(),
  alg: z.string().exactOptional(),
  n: z.string().exactOptional(),
  e: z.string().exactOptional(),
  crv: z.string().exactOptional(),
  x: z.string().exactOptional(),
  y: z.string().exactOptional(),
});
const keysSchema = z.object({ keys: z.array(keySchema).min(1).max(64) });

/** What the relay serves. */
export interface IssuerAnswer {
  readonly issuer: string;
  /** The discovery document, with `jwks_uri` on the issuer's own host. */
  readonly discovery: string;
  /** The key set (RFC 7517). */
  readonly keys: string;
}

/** What the documents are read with. */
export interface IssuerSource {
  readonly raw: RawGet;
  readonly clock: Clock;
  readonly log: Log;
  /** The issuer that Fulcio is configured for; another one in the cluster is an error. */
  readonly issuer?: string;
}

/**
 * The issuer's documents, asked of the API server at most once a minute. When it can't be asked, or answers nonsense,
 * the last good ones are served on.
 */
export class IssuerDocuments {
  readonly #source: IssuerSource;
  #last: { readonly answer: IssuerAnswer; readonly readAt: number } | undefined;
  #reading: Promise<IssuerAnswer> | undefined;

  constructor(source: IssuerSource) {
    this.#source = source;
  }

  /** The documents. @throws ServiceError `DISCOVERY_INVALID` and KubeError when there are none yet. */
  async answer(): Promise<IssuerAnswer> {
    const now = this.#source.clock.now().getTime();
    if (this.#last !== undefined && now - this.#last.readAt < FRESH_MS && now >= this.#last.readAt) {
      return this.#last.answer;
    }
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return await this.#reading;
  }

  async #read(): Promise<IssuerAnswer> {
    const { raw, clock, log, issuer } = this.#source;
    try {
      const answer = issuerAnswer(await raw(DISCOVERY_PATH), await raw(KEYS_PATH), issuer);
      this.#last = { answer, readAt: clock.now().getTime() };
      return answer;
    } catch (error) {
      if (this.#last === undefined) throw error;
      log.warn('the API server gave no documents; the last good ones are served', { error: describeError(error) });
      // Asked again after a minute, not at each request: the API server may be struggling.
      this.#last = { ...this.#last, readAt: clock.now().getTime() };
      return this.#last.answer;
    }
  }
}

/** Turns the API server's two documents into those that are served. @throws ServiceError `DISCOVERY_INVALID`. */
export function issuerAnswer(discovery: Buffer, keys: Buffer, expectedIssuer?: string): IssuerAnswer {
  const document = parseAs(discoverySchema, discovery, 'discovery document');
  if (expectedIssuer !== undefined && document.issuer !== expectedIssuer) {
    throw new ServiceError('DISCOVERY_INVALID', `the cluster's issuer is ${document.issuer}, not ${expectedIssuer}`, {
      fix: 'install Fulcio for the issuer that the API server is started with (--service-account-issuer)',
    });
  }
  const jwksUri = `${document.issuer.replace(/\/+$/, '')}${KEYS_PATH}`;
  return {
    issuer: document.issuer,
    discovery: JSON.stringify({ ...document, jwks_uri: jwksUri }),
    keys: JSON.stringify(parseAs(keysSchema, keys, 'key set')),
  };
}

function parseAs<Schema extends z.ZodType>(schema: Schema, bytes: Buffer, what: string): z.infer<Schema> {
  let json: unknown;
  try {
    json = parseJson(bytes, what, { maxBytes: MAX_BYTES, maxDepth: 8 });
  } catch (cause) {
    throw new ServiceError('DISCOVERY_INVALID', `the API server's ${what} can't be read`, { cause });
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  throw new ServiceError('DISCOVERY_INVALID', `the API server's ${what}: ${z.prettifyError(result.error)}`);
}
