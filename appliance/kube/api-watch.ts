import type { IncomingMessage } from 'node:http';

import { parseJson } from '../kernel/json.ts';
import { type ApiConnection, errorFromStatus } from './api-connection.ts';
import type { WatchEvent, WatchOptions } from './cluster.ts';
import { isKubeError, KubeError } from './kube-error.ts';
import type { KindRef, KubeObject } from './kube-object.ts';
import { parseObject } from './parse-object.ts';

/** What a watch needs of the cluster. */
export interface WatchSource {
  readonly connection: ApiConnection;
  /** Reads the list: its objects and its resourceVersion. */
  list(): Promise<{ items: KubeObject[]; resourceVersion: string }>;
  /** The path and query to watch from `resourceVersion`. */
  watchPath(resourceVersion: string): Promise<string>;
  readonly kind: KindRef;
  /** Waits; told apart so that tests need no clock. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

const MAX_LINE_BYTES = 32 * 1024 * 1024;
/** The server ends a watch after 300 s (`timeoutSeconds`); bookmarks come each minute. Silence beyond that is a dead line. */
const SILENCE_MS = 330_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;

/** Follows a kind: list, tell, watch, and from the start again when the watch breaks off. See {@link WatchOptions}. */
export async function followKind(source: WatchSource, { onEvent, signal }: WatchOptions): Promise<void> {
  const follower = new Follower(source, onEvent, signal);
  let pauseMs = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    try {
      await follower.round();
      pauseMs = FIRST_PAUSE_MS;
    } catch (error) {
      if (isOver(signal)) return;
      if (error instanceof HandlerFailed) throw error.cause;
      if (!follower.hasListed && isKubeError(error, 'FORBIDDEN', 'UNAUTHORIZED', 'KIND_UNKNOWN', 'INVALID'))
        throw error;
      await source.pause(pauseMs * (0.5 + Math.random() / 2), signal).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }
}

// A property read that the compiler doesn't take for settled by the loop's condition.
function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Marks what the caller's own handler threw, apart from what the connection threw. */
class HandlerFailed extends Error {}

class Follower {
  hasListed = false;
  readonly #source: WatchSource;
  readonly #onEvent: WatchOptions['onEvent'];
  readonly #signal: AbortSignal;
  readonly #seen = new Map<string, KubeObject>();
  #resourceVersion: string | undefined;

  constructor(source: WatchSource, onEvent: WatchOptions['onEvent'], signal: AbortSignal) {
    this.#source = source;
    this.#onEvent = onEvent;
    this.#signal = signal;
  }

  /** Lists when there is no version to go on from, then reads one watch to its end. */
  async round(): Promise<void> {
    this.#resourceVersion ??= await this.#relist();
    const path = await this.#source.watchPath(this.#resourceVersion);
    const silence = new AbortController();
    const signal = AbortSignal.any([this.#signal, silence.signal]);
    const timer = setTimeout(() => silence.abort(), SILENCE_MS);
    try {
      const what = `watch of ${this.#source.kind.kind}`;
      const response = await this.#source.connection.stream({ path, what, signal });
      for await (const line of linesOf(response)) {
        timer.refresh();
        await this.#take(parseJson(line, what, { maxBytes: MAX_LINE_BYTES, maxDepth: 128 }));
      }
    } catch (error) {
      if (isKubeError(error, 'EXPIRED')) this.#resourceVersion = undefined;
      else throw error;
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
  }

  async #relist(): Promise<string> {
    const { items, resourceVersion } = await this.#source.list();
    const gone = new Map(this.#seen);
    for (const object of items) {
      gone.delete(keyOf(object));
      await this.#changed(object);
    }
    for (const object of gone.values()) await this.#deleted(object);
    if (!this.hasListed) await this.#tell({ type: 'synced' });
    this.hasListed = true;
    return resourceVersion;
  }

  async #take(message: unknown): Promise<void> {
    const { type, object } = message as { type?: unknown; object?: Record<string, unknown> };
    if (type === 'ERROR') {
      const code = typeof object?.['code'] === 'number' ? object['code'] : 500;
      throw errorFromStatus(object ?? {}, code, `watch of ${this.#source.kind.kind}`);
    }
    const parsed = parseObject(object, this.#source.kind);
    this.#resourceVersion = parsed.metadata.resourceVersion ?? this.#resourceVersion;
    if (type === 'ADDED' || type === 'MODIFIED') await this.#changed(parsed);
    else if (type === 'DELETED') await this.#deleted(parsed);
  }

  async #changed(object: KubeObject): Promise<void> {
    const before = this.#seen.get(keyOf(object));
    this.#seen.set(keyOf(object), object);
    if (before === undefined) await this.#tell({ type: 'added', object });
    else if (before.metadata.resourceVersion !== object.metadata.resourceVersion) {
      await this.#tell({ type: 'modified', object });
    }
  }

  async #deleted(object: KubeObject): Promise<void> {
    if (this.#seen.delete(keyOf(object))) await this.#tell({ type: 'deleted', object });
  }

  async #tell(event: WatchEvent): Promise<void> {
    if (this.#signal.aborted) return;
    try {
      await this.#onEvent(event);
    } catch (cause) {
      throw new HandlerFailed('the handler of the watch failed', { cause });
    }
  }
}

function keyOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`;
}

async function* linesOf(response: IncomingMessage): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      yield Buffer.concat([...rest, chunk.subarray(start, end)]);
      rest = [];
      size = 0;
      start = end + 1;
    }
    size += chunk.byteLength - start;
    if (size > MAX_LINE_BYTES) throw new KubeError('TOO_LARGE', 'a line of a watch is longer than what is taken');
    rest.push(chunk.subarray(start));
  }
}
