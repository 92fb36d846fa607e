import { describeError } from '../kernel/coded-error.ts';
import type { Log } from '../kernel/log.ts';
import type { Address } from './address.ts';
import { type RunningService, type ServiceHandler, startHttpsService } from './https-service.ts';
import { DISCOVERY_PATH, IssuerDocuments, type IssuerSource, KEYS_PATH } from './issuer-documents.ts';

/** What the relay is started with. */
export interface IssuerRelayOptions {
  readonly listen: Address;
  /** Certificate for the issuer's host name, under the CA that Fulcio's configuration names. */
  readonly tlsDir: string;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Answers discovery and keys under the service-account issuer's own name, so that Fulcio, which refuses keys from
 * another host than the issuer's, finds them there. @throws those of {@link startHttpsService}.
 */
export async function startIssuerRelay(source: IssuerSource, options: IssuerRelayOptions): Promise<RunningService> {
  return await startHttpsService({ ...options, handler: relayHandler(new IssuerDocuments(source), options.log) });
}

/** Answers the two documents below the issuer's path, `/healthz` and `/readyz`. */
export function relayHandler(documents: Pick<IssuerDocuments, 'answer'>, log: Log): ServiceHandler {
  return async ({ path }) => {
    if (path === '/healthz') return { status: 200, body: 'ok\n' };
    try {
      const { issuer, discovery, keys } = await documents.answer();
      if (path === '/readyz') return { status: 200, body: 'ok\n' };
      // An issuer may have a path, which goes before both (OpenID Connect Discovery 1.0 §4.1).
      const base = new URL(issuer).pathname.replace(/\/+$/, '');
      if (path === `${base}${DISCOVERY_PATH}`) return json('application/json', discovery);
      if (path === `${base}${KEYS_PATH}`) return json('application/jwk-set+json', keys);
      return { status: 404, body: 'not found\n' };
    } catch (error) {
      log.warn('there are no documents to serve yet', { error: describeError(error) });
      return { status: 503, headers: { 'retry-after': '2' }, body: 'no documents from the API server yet\n' };
    }
  };
}

function json(contentType: string, body: string) {
  return { status: 200, headers: { 'content-type': contentType, 'cache-control': 'public, max-age=60' }, body };
}
