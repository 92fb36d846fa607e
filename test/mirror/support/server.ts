import type { IncomingMessage, ServerResponse } from 'node:http';

import type { ExecutionContext } from 'ava';
import { serveOnLoopback } from '../../../mirror/memory-registry.ts';
import { type RegistryClientOptions, registryClient } from '../../../mirror/registry-client.ts';
import type { RepositoryClient } from '../../../mirror/registry-port.ts';
import type { RetryPolicy } from '../../../mirror/retry.ts';

/** Answers one request of a test server. */
export type Respond = (request: IncomingMessage, response: ServerResponse) => void;

/** A retry policy that doesn't sleep and notes the pauses. */
export function notingRetry(attempts = 3): RetryPolicy & { readonly pauses: number[] } {
  const pauses: number[] = [];
  return {
    attempts,
    firstPauseMs: 100,
    longestPauseMs: 60_000,
    random: () => 1,
    wait: async (ms) => {
      pauses.push(ms);
    },
    pauses,
  };
}

/** An HTTP server on loopback that answers as told, closed when the test ends. */
export async function serve(t: ExecutionContext, respond: Respond): Promise<string> {
  const { origin, close } = await serveOnLoopback(respond);
  t.teardown(close);
  return origin;
}

/** The repository `ghcr.io/a/b` at `origin`, path `a/b`. */
export function repositoryAt(
  t: ExecutionContext,
  origin: string,
  options: RegistryClientOptions = {},
): RepositoryClient {
  const client = registryClient({ mirrors: { 'ghcr.io': origin }, retry: notingRetry(), ...options });
  t.teardown(async () => await client.close());
  return client.repository({ host: 'ghcr.io', repository: 'a/b' });
}
