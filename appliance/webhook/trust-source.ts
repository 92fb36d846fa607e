import { createHash } from 'node:crypto';
import { readFile, readlink, stat } from 'node:fs/promises';
import path from 'node:path';
import type { NodePaths, VerifiedGeneration } from '../../trust-root/generation.ts';
import type { Clock } from '../kernel/clock.ts';
import { describeError } from '../kernel/coded-error.ts';
import type { Log } from '../kernel/log.ts';
import { WebhookError } from './webhook-error.ts';

/** A generation in use, with what was read out of it. */
export interface LoadedGeneration<Contents> {
  readonly generation: VerifiedGeneration;
  readonly contents: Contents;
}

/** What a {@link TrustSource} works with. */
export interface TrustSourceOptions<Contents> {
  readonly paths: NodePaths;
  /** 64 hex digits: the sha256 of the only root v1 that is taken. */
  readonly rootSha256: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Checks a generation's whole TUF chain from the pinned root. */
  readonly verify: (folder: string, pinnedRoot: Buffer) => Promise<VerifiedGeneration>;
  /** Reads what judging needs. */
  readonly read: (generation: VerifiedGeneration) => Promise<Contents>;
  /** Told of each new generation, after the swap. */
  readonly onChange?: (loaded: LoadedGeneration<Contents>) => void;
}

const MAX_ROOT_BYTES = 1024 * 1024;
/** As the agent names folders: the number, and `-2` and on where that name was taken (trust-root/generation-writer.ts). */
const GENERATION_LINK = /^generations\/((\d{12,16})(?:-\d+)?)\/?$/;
/** A generation that was refused is looked at again after this long: the reason may pass, as a wrong clock does. */
const RETRY_MS = 10_000;

/**
 * The node's trust, as the agent leaves it there. It counts because its TUF chain does, from a root whose hash was given
 * on the command line; where it lies proves nothing. One that does not verify, or is older than the one in use, is
 * reported and not taken.
 */
export class TrustSource<Contents> {
  readonly #options: TrustSourceOptions<Contents>;
  #loaded: LoadedGeneration<Contents> | undefined;
  #link: string | undefined;
  /** When the generation in use was verified, by its clock. */
  #loadedAt = 0;
  #refused: { readonly link: string; readonly at: number } | undefined;
  #fault: string | undefined = 'no generation was looked for yet';
  #looking: Promise<boolean> | undefined;

  constructor(options: TrustSourceOptions<Contents>) {
    this.#options = options;
  }

  /** The last generation that verified. */
  current(): LoadedGeneration<Contents> | undefined {
    return this.#loaded;
  }

  /** What is wrong with what lies on the node now; nothing when it is what is in use. */
  fault(): string | undefined {
    return this.#fault;
  }

  /** Looks at the link `current` once, and loads where it leads; true when that is a new generation. Never fails. */
  async look(): Promise<boolean> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return await this.#looking;
  }

  async #look(): Promise<boolean> {
    const { paths, clock } = this.#options;
    let link = '';
    try {
      link = await readlink(paths.current);
      const now = clock.now().getTime();
      if (link === this.#link && !this.#hasExpiredSince(now)) {
        this.#report(undefined);
        return false;
      }
      if (this.#refused?.link === link && Math.abs(now - this.#refused.at) < RETRY_MS) return false;
      const loaded = await this.#load(link);
      this.#link = link;
      this.#loaded = loaded;
      this.#loadedAt = now;
      this.#refused = undefined;
      this.#report(undefined);
      const { number, signedAt } = loaded.generation;
      this.#options.log.info('trust loaded', { generation: number, signedAt: signedAt.toISOString() });
      this.#options.onChange?.(loaded);
      return true;
    } catch (error) {
      this.#refused = { link, at: clock.now().getTime() };
      this.#report(describeError(error));
      return false;
    }
  }

  /** True when a role of the generation in use has expired since: what it vouched for must no longer count. */
  #hasExpiredSince(now: number): boolean {
    const expiries = this.#loaded?.generation.expiries ?? [];
    return expiries.some(({ expires }) => expires.getTime() > this.#loadedAt && expires.getTime() <= now);
  }

  async #load(link: string): Promise<LoadedGeneration<Contents>> {
    const { paths, verify, read } = this.#options;
    const [, name, number] = GENERATION_LINK.exec(link) ?? [];
    if (name === undefined) {
      throw new WebhookError('CONFIG_INVALID', `${paths.current} leads to ${JSON.stringify(link)}, no generation`);
    }
    const generation = await verify(path.join(paths.generations, name), await this.#pinnedRoot());
    if (generation.number !== Number(number)) {
      throw new WebhookError('CONFIG_INVALID', `generation ${name} is number ${generation.number} by its timestamp`);
    }
    const inUse = this.#loaded?.generation;
    if (inUse !== undefined && isOlder(generation, inUse)) {
      throw new WebhookError(
        'CONFIG_INVALID',
        `generation ${generation.number} is older than ${inUse.number}, which is in use`,
      );
    }
    return { generation, contents: await read(generation) };
  }

  async #pinnedRoot(): Promise<Buffer> {
    const { paths, rootSha256 } = this.#options;
    const { size } = await stat(paths.pinnedRoot);
    if (size > MAX_ROOT_BYTES)
      throw new WebhookError('ROOT_MISMATCH', `${paths.pinnedRoot}: ${size} bytes are no root`);
    const bytes = await readFile(paths.pinnedRoot);
    const found = createHash('sha256').update(bytes).digest('hex');
    if (found !== rootSha256) {
      throw new WebhookError('ROOT_MISMATCH', `${paths.pinnedRoot} has sha256 ${found}, not ${rootSha256}`, {
        fix: 'sealift node prepare gives a node the root of its site',
      });
    }
    return bytes;
  }

  #report(fault: string | undefined): void {
    if (fault === this.#fault) return;
    this.#fault = fault;
    if (fault === undefined) return;
    const generation = this.#loaded?.generation.number;
    this.#options.log.error('the trust on this node is not taken', {
      error: fault,
      ...(generation === undefined ? {} : { stays: generation }),
    });
  }
}

/** Numbers may start over under a newer root: that is how a site recovers from stolen online keys (TUF 5.3.11). */
function isOlder(one: VerifiedGeneration, other: VerifiedGeneration): boolean {
  const [root = 0, otherRoot = 0] = [one, other].map(({ versions }) => versions['root']);
  return root === otherRoot ? one.number < other.number : root < otherRoot;
}
