import { readFile } from 'node:fs/promises';
import path from 'node:path';

import type { Clock } from '../appliance/kernel/clock.ts';
import { CodedError, describeError } from '../appliance/kernel/coded-error.ts';
import type { Log } from '../appliance/kernel/log.ts';
import { fileBlobStore } from '../mirror/blob-folder.ts';
import type { BlobStore } from '../mirror/blob-store.ts';
import { EMPTY_EVIDENCE_INDEX, type EvidenceIndex } from '../mirror/evidence-index.ts';
import type { RegistryClient } from '../mirror/registry-port.ts';
import { followRepository, readPinnedRoot } from '../trust-root/follow.ts';
import type { NodePaths, VerifiedGeneration } from '../trust-root/generation.ts';
import { TrustRootError } from '../trust-root/trust-root-error.ts';
import type { TufTransport } from '../trust-root/tuf-transport.ts';
import { evidenceFirst } from './evidence-first.ts';
import { evidenceBlobs, takeEvidence } from './evidence-intake.ts';
import { evidenceIndexOf, pruneEvidence } from './evidence-prune.ts';
import { generationOnDisk, linkOf } from './generations-on-disk.ts';
import { isDiskFull } from './host-files.ts';
import type { TrustReason } from './trust-condition.ts';

/** What keeps a node's trust is made of. */
export interface NodeTrustOptions {
  readonly paths: NodePaths;
  readonly transport: TufTransport;
  readonly registry: RegistryClient;
  readonly clock: Clock;
  readonly log: Log;
}

/** How a node's trust stands. */
export interface TrustState {
  readonly reason: TrustReason;
  readonly generation?: VerifiedGeneration;
  readonly detail?: string;
}

/** Everything on disk and in the repository is verified at least this often, not only when something seems new. */
const VERIFY_EVERY_MS = 60_000;
/** The content of all evidence is read again this often. */
const SCRUB_EVERY_MS = 3_600_000;
/** How long a condition goes on telling that something foreign or damaged lay on the disk. */
const INCIDENT_MS = 600_000;

/**
 * The trust of one node: what lies on its disk, and how it follows the site's repository. Whatever goes wrong, the last
 * good generation stays; there is never one live whose evidence is not here.
 */
export class NodeTrust {
  readonly store: BlobStore;
  readonly #options: NodeTrustOptions;
  #generation: VerifiedGeneration | undefined;
  #index: EvidenceIndex = EMPTY_EVIDENCE_INDEX;
  #link: string | undefined;
  #verifiedAt = Number.NEGATIVE_INFINITY;
  #scrubbedAt = Number.NEGATIVE_INFINITY;
  #incident: { readonly text: string; readonly at: number } | undefined;
  #last: TrustState = { reason: 'NoGeneration' };

  constructor(options: NodeTrustOptions) {
    this.#options = options;
    this.store = fileBlobStore(options.paths.evidence);
  }

  /** The evidence index of the generation in use. */
  get index(): EvidenceIndex {
    return this.#index;
  }

  /** Verifies what is on disk, before anything else is asked. Never fails. */
  async verifyDisk(): Promise<TrustState> {
    const fault = await this.#lookAtDisk();
    this.#last = this.#state('LastKnownGood', fault);
    return this.#last;
  }

  /** Looks for something new, takes it when it verifies, and says how the node stands. Never fails. */
  async follow(): Promise<TrustState> {
    try {
      if (await this.#isUnchanged()) return this.#last;
      await this.#followFully();
      await this.#keepEvidence();
      this.#last = this.#state('Synced');
    } catch (error) {
      this.#last = await this.#holdOn(error);
    }
    return this.#last;
  }

  /** A cheap look: the same timestamp, no next root, the same link, and not too long since all was verified. */
  async #isUnchanged(): Promise<boolean> {
    const { paths, transport } = this.#options;
    if (this.#generation === undefined || this.#last.reason !== 'Synced' || this.#isDue()) return false;
    if ((await linkOf(paths)) !== this.#link) return false;
    const held = await readFile(path.join(paths.current, 'metadata', 'timestamp.json')).catch(() => undefined);
    const offered = await transport.fetch({ kind: 'metadata', path: 'timestamp.json', maxBytes: 64 * 1024 });
    if (held === undefined || offered?.equals(held) !== true) return false;
    const nextRoot = `${(this.#generation.versions['root'] ?? 0) + 1}.root.json`;
    return (await transport.fetch({ kind: 'metadata', path: nextRoot, maxBytes: 1024 * 1024 })) === undefined;
  }

  async #followFully(): Promise<void> {
    const { paths, clock, log } = this.#options;
    const fault = await this.#lookAtDisk();
    const transport = evidenceFirst(this.#options.transport, async (index) => await this.#take(index, false));
    const { kind, generation } = await followRepository({ paths, transport, clock });
    await this.#hold(generation);
    this.#verifiedAt = this.#now();
    if (kind === 'unchanged') return;
    log.info('a new generation is live', { generation: generation.number, ...(fault === undefined ? {} : { fault }) });
    const removed = await pruneEvidence({ paths, store: this.store, clock }, await readPinnedRoot(paths));
    if (removed > 0) log.info('evidence that nothing names any more was removed', { blobs: removed });
  }

  /** Verifies the disk, and notes what was wrong there; what it holds is in use from then on. */
  async #lookAtDisk(): Promise<string | undefined> {
    const { paths, clock, log } = this.#options;
    const { generation, fault } = await generationOnDisk(paths, clock);
    await this.#hold(generation);
    this.#verifiedAt = this.#now();
    if (fault === undefined) return undefined;
    const text = detailOf(fault);
    if (this.#incident?.text !== text) log.error('what lay on the disk was refused', { error: text });
    this.#incident = { text, at: this.#now() };
    return text;
  }

  async #hold(generation: VerifiedGeneration | undefined): Promise<void> {
    this.#generation = generation;
    this.#link = await linkOf(this.#options.paths);
    this.#index = generation === undefined ? EMPTY_EVIDENCE_INDEX : await evidenceIndexOf(generation);
  }

  /** Brings back evidence that was lost or damaged on this disk. */
  async #keepEvidence(): Promise<void> {
    const isScrub = this.#now() - this.#scrubbedAt >= SCRUB_EVERY_MS;
    await this.#take(this.#index, isScrub);
    if (isScrub) this.#scrubbedAt = this.#now();
  }

  async #take(index: EvidenceIndex, check: boolean): Promise<void> {
    const { registry, log } = this.#options;
    const fetched = await takeEvidence({ store: this.store, registry }, evidenceBlobs(index), { check });
    if (fetched > 0) log.info('evidence was taken in', { blobs: fetched });
  }

  async #holdOn(error: unknown): Promise<TrustState> {
    const reason = reasonOf(error);
    const detail = detailOf(error);
    if (reason !== this.#last.reason)
      this.#options.log.warn('the last good generation stays', { reason, error: detail });
    if (this.#isDue() || this.#generation === undefined) await this.#lookAtDisk();
    return this.#state(reason, detail);
  }

  #state(reason: TrustReason, detail?: string): TrustState {
    const { text, at } = this.#incident ?? { text: undefined, at: 0 };
    const isTold = text !== undefined && text !== detail && this.#now() - at < INCIDENT_MS;
    const incident = isTold ? `refused on disk: ${text}` : undefined;
    const said = [detail, incident].filter((text) => text !== undefined).join('; ');
    return {
      reason: this.#generation === undefined ? 'NoGeneration' : reason,
      ...(this.#generation === undefined ? {} : { generation: this.#generation }),
      ...(said === '' ? {} : { detail: said }),
    };
  }

  #isDue(): boolean {
    const since = this.#now() - this.#verifiedAt;
    return since >= VERIFY_EVERY_MS || since < 0;
  }

  #now(): number {
    return this.#options.clock.now().getTime();
  }
}

/** What an error means for a node that holds on to what it has. */
function reasonOf(error: unknown): TrustReason {
  if (isDiskFull(error)) return 'DiskFull';
  const codes = codesOf(error);
  if (codes.some((code) => code.startsWith('EVIDENCE_'))) return 'EvidenceMissing';
  if (error instanceof TrustRootError && error.exitCode === 3) return 'UpdateRefused';
  return codes.includes('FETCH_FAILED') ? 'LastKnownGood' : 'UpdateFailed';
}

function codesOf(error: unknown): string[] {
  const codes: string[] = [];
  for (let current = error, depth = 0; current instanceof Error && depth < 8; current = current.cause, depth += 1) {
    if (current instanceof CodedError) codes.push(current.code as string);
  }
  return codes;
}

function detailOf(error: unknown): string {
  // What kept a generation from being written says more than that it was not written.
  if (error instanceof TrustRootError && error.code === 'STORE_FAILED' && error.cause instanceof CodedError) {
    return detailOf(error.cause);
  }
  const [code] = codesOf(error);
  return `${code === undefined ? '' : `${code}: `}${describeError(error)}`;
}
