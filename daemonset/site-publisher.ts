import type { Clock } from '../appliance/kernel/clock.ts';
import { digestOf } from '../appliance/kernel/digest.ts';
import type { Log } from '../appliance/kernel/log.ts';
import { type EvidenceIndex, serializeEvidenceIndex } from '../mirror/evidence-index.ts';
import { type OnlineSigners, type PublishContext, type Published } from '../trust-root/publish.ts';
import type { RepositoryPolicy } from '../trust-root/repository-policy.ts';
import { loadRepository, type RepositoryState, roleIn } from '../trust-root/repository-state.ts';
import type { RepositoryStore } from '../trust-root/repository-store.ts';
import type { Signer } from '../trust-root/signer.ts';
import { publishSiteState } from '../trust-root/site-state.ts';
import { TrustRootError } from '../trust-root/trust-root-error.ts';
import { consistentName } from '../trust-root/tuf-client.ts';
import { EVIDENCE_INDEX_TARGET } from './evidence-first.ts';
import { fittingIndex } from './fitting-index.ts';

/** The keys that the site's state is signed with. */
export interface SiteStateSigners extends OnlineSigners {
  readonly siteState: Signer;
}

/** What the site's state is published with: the online keys and the repository. */
export interface SitePublisherOptions {
  readonly store: RepositoryStore;
  readonly policy: RepositoryPolicy;
  /** The online keys as they are now; asked before each publication, since they are rotated. */
  readonly signers: () => Promise<SiteStateSigners>;
  readonly clock: Clock;
  readonly log: Log;
}

/** The repository is compared again after this long even when the index is the same: someone may have restored an old one. */
const COMPARE_EVERY_MS = 300_000;

/** Publishes the evidence index as target `site-state/evidence-index.json` whenever it changes. */
export class SitePublisher {
  readonly #options: SitePublisherOptions;
  #last: { readonly digest: string; readonly at: number } | undefined;
  #complaint = '';

  constructor(options: SitePublisherOptions) {
    this.#options = options;
  }

  /**
   * Makes the repository hold `index`, as far as nodes would take it.
   * @returns what was published; `undefined` when nothing was to do, or another publisher was faster (the next call tries again).
   * @throws TrustRootError.
   */
  async publish(wanted: EvidenceIndex): Promise<Published | undefined> {
    const { clock, log } = this.#options;
    const index = this.#fitting(wanted);
    const bytes = serializeEvidenceIndex(index);
    const digest = digestOf(bytes);
    const now = clock.now().getTime();
    if (this.#last?.digest === digest && now - this.#last.at < COMPARE_EVERY_MS) return undefined;
    const images = Object.keys(index.images).length;
    const state = await loadRepository(this.#options.store);
    if (images === 0 && roleIn(state, 'site-state').targets.has(EVIDENCE_INDEX_TARGET)) {
      // Sealift's own images lie there: an empty registry is a lost volume, and no reason to forget all evidence.
      log.error('the site registry holds nothing; what was published before stays', {});
      return undefined;
    }
    try {
      const files = await this.#otherFiles(state);
      const { siteState: signer, ...online } = await this.#options.signers();
      const published = await publishSiteState(this.#context(online), state, {
        files: files.set(EVIDENCE_INDEX_TARGET, bytes),
        signer,
      });
      this.#last = { digest, at: now };
      if (published !== undefined) log.info('the evidence index was published', { images, ...published });
      return published;
    } catch (error) {
      if (!(error instanceof TrustRootError && error.code === 'STORE_CONFLICT')) throw error;
      log.info('another publisher was faster; trying again', {});
      return undefined;
    }
  }

  #fitting(wanted: EvidenceIndex): EvidenceIndex {
    const { index, left } = fittingIndex(wanted);
    const complaint = left.join('\n');
    if (left.length > 0 && complaint !== this.#complaint) {
      const some = left.slice(0, 20);
      this.#options.log.error('images are left out of the evidence index: nodes would not take them', {
        count: left.length,
        some,
      });
    }
    this.#complaint = complaint;
    return index;
  }

  #context(online: OnlineSigners): PublishContext {
    const { store, policy, clock } = this.#options;
    return { store, policy, clock, online };
  }

  /** The rest of the site's state, which stays as it is. */
  async #otherFiles(state: RepositoryState): Promise<Map<string, Buffer>> {
    const files = new Map<string, Buffer>();
    for (const target of roleIn(state, 'site-state').targets) {
      const [name, { hashes }] = target;
      if (name === EVIDENCE_INDEX_TARGET) continue;
      const file = `targets/${consistentName({ name, hashes })}`;
      const bytes = await this.#options.store.read(file);
      if (bytes === undefined) throw new TrustRootError('METADATA_MISSING', `${file}: not in the repository`);
      files.set(name, bytes);
    }
    return files;
  }
}
