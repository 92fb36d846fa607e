import type { IncomingMessage, ServerResponse } from 'node:http';

import type { Digest } from '../appliance/kernel/digest.ts';

/** A manifest as it was pushed. */
export interface StoredManifest {
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** One repository of the in-memory registry. */
export interface StoredRepository {
  readonly manifests: Map<Digest, StoredManifest>;
  readonly tags: Map<string, Digest>;
  /** Blobs that were uploaded to or mounted into this repository. */
  readonly blobs: Set<Digest>;
}

/** An upload under way. */
export interface StoredUpload {
  readonly repository: string;
  readonly chunks: Buffer[];
  size: number;
}

/** Everything that the in-memory registry holds. */
export interface RegistryState {
  readonly referrersApi: boolean;
  readonly pageSize: number;
  readonly sparseIndexes: boolean;
  readonly blobs: Map<Digest, Buffer>;
  readonly repositories: Map<string, StoredRepository>;
  readonly uploads: Map<string, StoredUpload>;
}

/** One request on its way to its answer. */
export interface Exchange {
  readonly state: RegistryState;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** Repository path. */
  readonly name: string;
  /** What follows the kind in the path: reference, digest or session. */
  readonly target: string;
}

/** The repository of that name, made when there is none. */
export function repositoryOf(state: RegistryState, name: string): StoredRepository {
  const found = state.repositories.get(name) ?? { manifests: new Map(), tags: new Map(), blobs: new Set() };
  state.repositories.set(name, found);
  return found;
}

/** Reads a request's body. Undefined, and answered 413, when it is longer than `maxBytes`. */
export async function bodyOf({ request, response }: Exchange, maxBytes: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > maxBytes) {
      sendError(response, 413, 'SIZE_INVALID');
      return undefined;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

type Headers = Readonly<Record<string, string | number>>;

/** What is sent back. */
interface Answer {
  readonly status: number;
  readonly headers?: Headers;
}

/** Answers with JSON. */
export function sendJson(response: ServerResponse, { status, headers = {} }: Answer, body: unknown): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.byteLength, ...headers });
  response.end(bytes);
}

/** Answers with an error in the distribution-spec's form. */
export function sendError(response: ServerResponse, status: number, code: string): void {
  sendJson(response, { status }, { errors: [{ code, message: code.toLowerCase().replaceAll('_', ' ') }] });
}

/** Answers without a body. */
export function sendEmpty(response: ServerResponse, status: number, headers: Headers): void {
  response.writeHead(status, { 'content-length': 0, ...headers });
  response.end();
}
