import type { EvidenceIndex } from '../../mirror/evidence-index.ts';
import type { TrustDomain } from '../../trust-root/trust-domain.ts';
import type { Clock } from '../kernel/clock.ts';
import type { EvidenceReader } from '../verification/evidence.ts';
import { policySet } from '../verification/policy-set.ts';
import type { StalenessRules } from '../verification/staleness-rules.ts';
import { type TrustDomains, trustDomains } from '../verification/trust-domains.ts';
import type { Verdict } from '../verification/verdict.ts';
import type { AdmissionWorld, WorldSource } from './admission-world.ts';
import { type DomainAge, domainAges, staleDomains } from './domain-ages.ts';
import type { GenerationContents } from './generation-contents.ts';
import type { Readiness } from './handler.ts';
import { judgingWorld, type RegistrySide, type VerifyImage } from './judging-world.ts';
import type { PolicyKeys } from './policy-keys.ts';
import type { PolicySource } from './policy-source.ts';
import type { TrustSource } from './trust-source.ts';
import type { VerdictCache } from './verdict-cache.ts';
import { WebhookError } from './webhook-error.ts';
import type { ObservedState } from './webhook-metrics.ts';

/** What a {@link LiveWorld} is made of. */
export interface LiveWorldParts {
  readonly trust: Pick<TrustSource<GenerationContents>, 'current' | 'fault'>;
  readonly policies: Pick<PolicySource, 'isSynced' | 'policies' | 'trustRoots' | 'modes' | 'faults'>;
  readonly keys: Pick<PolicyKeys, 'isSettled' | 'lookup' | 'faults'>;
  readonly registry: RegistrySide | undefined;
  readonly cache: VerdictCache<Verdict>;
  readonly clock: Clock;
  readonly verify: VerifyImage;
  /** Evidence of the images that an index lists. */
  readonly readSynced: (index: EvidenceIndex) => EvidenceReader;
}

interface KnownVerifiers {
  readonly of: readonly TrustDomain[];
  readonly staleness: StalenessRules;
  readonly domains: TrustDomains;
}

/** The world as it is now: made anew when trust or policies change, and then whole. */
export class LiveWorld implements WorldSource, ObservedState {
  readonly #parts: LiveWorldParts;
  #world: AdmissionWorld | undefined;
  readonly #verifiers = new Verifiers();
  readonly #floorVerifiers = new Verifiers();

  constructor(parts: LiveWorldParts) {
    this.#parts = parts;
  }

  current(): AdmissionWorld {
    this.#world ??= this.#make();
    return this.#world;
  }

  /** To be called when the policies, their keys or the modes have changed. */
  policiesChanged(): void {
    this.#world = undefined;
  }

  /** To be called when another generation is in use: what was judged under the old one is forgotten. */
  trustChanged(): void {
    this.#world = undefined;
    this.#parts.cache.clear();
  }

  /** Ready once trust and policies were loaded; it stays so when they fail later, to go on saying why it refuses. */
  readiness(): Readiness {
    const loaded = this.#parts.trust.current();
    return {
      ready: loaded !== undefined && this.#isSynced(),
      details: {
        generation: loaded?.generation.number ?? null,
        trustAgeSeconds: this.trustAgeSeconds() ?? null,
        trustExpirySeconds: this.trustExpirySeconds() ?? null,
        staleness: this.#ages(),
        policiesSynced: this.#isSynced(),
        policies: this.policies(),
        faults: this.#faults(),
      },
    };
  }

  generation(): number | undefined {
    return this.#parts.trust.current()?.generation.number;
  }

  trustAgeSeconds(): number | undefined {
    const signedAt = this.#parts.trust.current()?.generation.signedAt;
    return signedAt === undefined ? undefined : this.#secondsUntil(signedAt) * -1;
  }

  trustExpirySeconds(): number | undefined {
    const first = this.#parts.trust.current()?.generation.expiries[0];
    return first === undefined ? undefined : this.#secondsUntil(first.expires);
  }

  policies(): number {
    const { trust, policies } = this.#parts;
    return policies.policies().length + (trust.current()?.contents.floorPolicies.length ?? 0);
  }

  faults(): number {
    return this.#faults().length;
  }

  cache(): ReturnType<ObservedState['cache']> {
    return this.#parts.cache.statistics();
  }

  #isSynced(): boolean {
    return this.#parts.policies.isSynced() && this.#parts.keys.isSettled();
  }

  #faults(): string[] {
    const { trust, policies, keys } = this.#parts;
    const fault = trust.fault();
    const stale = staleDomains(this.#ages());
    return [...(fault === undefined ? [] : [fault]), ...stale, ...policies.faults(), ...keys.faults()];
  }

  #ages(): DomainAge[] {
    const { trust, clock } = this.#parts;
    const contents = trust.current()?.contents;
    return contents === undefined ? [] : domainAges(contents.domains, contents.staleness, clock.now());
  }

  #secondsUntil(time: Date): number {
    return Math.round((time.getTime() - this.#parts.clock.now().getTime()) / 1000);
  }

  #make(): AdmissionWorld {
    const { trust, policies, keys, registry, cache, clock, verify, readSynced } = this.#parts;
    const loaded = trust.current();
    if (loaded === undefined) {
      throw new WebhookError('NOT_READY', `no trust is loaded: ${trust.fault() ?? 'not looked for yet'}`, {
        fix: 'see the node agent on this node: sealift status',
      });
    }
    if (!this.#isSynced()) {
      throw new WebhookError('NOT_READY', 'the policies were not read from the cluster yet', { fix: 'try again' });
    }
    const { generation, contents } = loaded;
    return judgingWorld({
      generation,
      index: contents.index,
      syncedEvidence: readSynced(contents.index),
      domains: this.#verifiers.load([...contents.domains, ...policies.trustRoots()], contents.staleness),
      floorDomains: this.#floorVerifiers.load(contents.domains, contents.staleness),
      policies: policySet(policies.policies(), { floor: contents.floorPolicies }),
      secretKeys: keys.lookup(),
      modes: policies.modes(),
      registry,
      cache,
      verify,
      clock,
    });
  }
}

/** Verifiers are made once for the same trust: reading keys and certificates takes a while. */
class Verifiers {
  #known: KnownVerifiers | undefined;

  /** Of two domains of one name the first counts: those of the TUF chain come first. */
  load(wanted: readonly TrustDomain[], staleness: StalenessRules): TrustDomains {
    const known = this.#known;
    const isSame = known?.of.length === wanted.length && known.of.every((domain, at) => domain === wanted[at]);
    if (known !== undefined && isSame && known.staleness === staleness) return known.domains;
    const domains = trustDomains(wanted, { staleness });
    this.#known = { of: wanted, staleness, domains };
    return domains;
  }
}
