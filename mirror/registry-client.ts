import { type Clock, systemClock } from '../appliance/kernel/clock.ts';
import { type CredentialSource, noCredentials } from './credentials.ts';
import { endpointOf, type MirrorMap } from './mirror-map.ts';
import { registryAuthorizer } from './registry-auth.ts';
import type { RegistryClient } from './registry-port.ts';
import { repositoryClient } from './registry-repository.ts';
import { registrySession } from './registry-session.ts';
import { patientRetry, type RetryPolicy } from './retry.ts';
import { httpTransport, type TransportOptions } from './transport.ts';

/** Settings of {@link registryClient}. */
export interface RegistryClientOptions extends TransportOptions {
  readonly mirrors?: MirrorMap;
  readonly credentials?: CredentialSource;
  readonly retry?: RetryPolicy;
  readonly clock?: Clock;
  /** Ends everything under way when aborted. */
  readonly signal?: AbortSignal;
  /** Blobs larger than this are uploaded in pieces of it, so that a break costs at most one piece. 64 MiB unless told. */
  readonly uploadChunkBytes?: number;
}

const DEFAULT_UPLOAD_CHUNK = 64 * 1024 * 1024;

/** A client over HTTP(S). `close` it when done. */
export function registryClient(options: RegistryClientOptions = {}): RegistryClient {
  const transport = httpTransport(options);
  const session = registrySession({
    transport,
    authorizer: registryAuthorizer(options.credentials ?? noCredentials, transport),
    retry: options.retry ?? patientRetry,
    clock: options.clock ?? systemClock,
  });
  return {
    repository: (name) =>
      repositoryClient(session, {
        name: `${name.host}/${name.repository}`,
        endpoint: endpointOf(name, options.mirrors),
        uploadChunkBytes: options.uploadChunkBytes ?? DEFAULT_UPLOAD_CHUNK,
        signal: options.signal,
      }),
    close: async () => await transport.close(),
  };
}
