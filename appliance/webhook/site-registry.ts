import { noCredentials } from '../../mirror/credentials.ts';
import { endpointOf } from '../../mirror/mirror-map.ts';
import { registryAuthorizer } from '../../mirror/registry-auth.ts';
import type { RepositoryClient } from '../../mirror/registry-port.ts';
import { repositoryClient } from '../../mirror/registry-repository.ts';
import { registrySession } from '../../mirror/registry-session.ts';
import { patientRetry } from '../../mirror/retry.ts';
import { httpTransport, type Transport } from '../../mirror/transport.ts';
import type { Clock } from '../kernel/clock.ts';
import type { Digest } from '../kernel/digest.ts';
import { type ImageReference, repositoryName } from '../kernel/image-reference.ts';
import { WebhookError } from './webhook-error.ts';

/** Where the site's registry is. */
export interface SiteRegistryOptions {
  /** `https://host[:port]`. The only address that is ever dialled. */
  readonly url: URL;
  /** PEM of the CA that its certificate chains to. */
  readonly ca?: string;
  /** Names under which images of the registry itself are referred to; their repositories have no host before them. */
  readonly ownNames: readonly string[];
  readonly clock: Clock;
  /** The longest that one lookup may take, in milliseconds; 5000 unless told. */
  readonly lookupMs?: number;
}

/** The site's registry, read with limits. */
export interface SiteRegistry {
  /** The repository that an original name lies in, for one lookup that must end in time. */
  repository(name: { host: string; repository: string }): RepositoryClient;
  /** The digest that a tag has there now. @throws WebhookError `DIGEST_UNRESOLVED`, MirrorError. */
  digestOf(reference: ImageReference): Promise<Digest>;
  close(): Promise<void>;
}

const LOOKUP_MS = 5000;
const CONNECTIONS = 8;

/** A client of the site's registry that can't be led elsewhere, by a redirect or a token's realm. */
export function siteRegistry(options: SiteRegistryOptions): SiteRegistry {
  const { url, ca, ownNames, clock, lookupMs = LOOKUP_MS } = options;
  const transport = onlyTo(
    url.origin,
    httpTransport({
      connections: CONNECTIONS,
      connectTimeoutMs: 2000,
      idleTimeoutMs: lookupMs,
      ...(ca === undefined ? {} : { ca }),
    }),
  );
  const session = registrySession({
    transport,
    authorizer: registryAuthorizer(noCredentials, transport),
    // A person waits: one more try, at once.
    retry: { ...patientRetry, attempts: 2, firstPauseMs: 100, longestPauseMs: 500 },
    clock,
  });
  const own = new Set([url.host, ...ownNames]);
  const repository: SiteRegistry['repository'] = (name) =>
    repositoryClient(session, {
      name: `${name.host}/${name.repository}`,
      endpoint: own.has(name.host)
        ? endpointOf(name, { [name.host]: url.origin })
        : endpointOf(name, { '*': url.origin }),
      uploadChunkBytes: 0,
      signal: AbortSignal.timeout(lookupMs),
    });
  return {
    repository,
    digestOf: async (reference) => {
      const found = await repository(reference).digestOf(reference.digest ?? reference.tag ?? 'latest');
      if (found !== undefined) return found;
      const text = `${repositoryName(reference)}:${reference.tag ?? 'latest'}`;
      throw new WebhookError('DIGEST_UNRESOLVED', `${text} is neither in the synced index nor in the site's registry`, {
        fix: "bring it in with a bundle, or push it to the site's registry",
      });
    },
    close: async () => {
      await transport.close();
    },
  };
}

/** A transport that speaks to one origin only. */
function onlyTo(origin: string, transport: Transport): Transport {
  return {
    send: async (request) => {
      if (request.url.origin !== origin) {
        throw new WebhookError('REGISTRY_FAILED', `the site's registry points to ${request.url.origin}: not followed`);
      }
      return await transport.send(request);
    },
    close: async () => {
      await transport.close();
    },
  };
}
