import { z } from 'zod';

import type { Clock } from '../appliance/kernel/clock.ts';
import { describeError } from '../appliance/kernel/coded-error.ts';
import type { Log } from '../appliance/kernel/log.ts';
import { realWait, type Wait } from '../appliance/kernel/repeat.ts';
import type { Cluster } from '../appliance/kube/cluster.ts';
import { isKubeError } from '../appliance/kube/kube-error.ts';
import { KINDS, type KubeObject } from '../appliance/kube/kube-object.ts';

/** An election of one among several equal processes, by a Lease (coordination.k8s.io/v1). */
export interface Election {
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly lease: string;
  /** This process, unlike any other: the pod's name and something random. */
  readonly identity: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly wait?: Wait;
}

const LEASE_MS = 15_000;
/** A leader that could not renew for so long stops, well before anyone else may take the lease. */
const RENEW_WITHIN_MS = 10_000;
const TRY_EVERY_MS = 2_000;

const specSchema = z.object({
  holderIdentity: z.string().nullish(),
  leaseDurationSeconds: z.number().nullish(),
  acquireTime: z.string().nullish(),
  leaseTransitions: z.number().nullish(),
});

/**
 * Runs `lead` whenever this process holds the lease, and aborts it when the lease is lost; until the signal aborts.
 * A lease of another counts as expired once it stayed the same for its duration by this process's own clock, so clocks
 * need not agree. @throws what `lead` throws.
 */
export async function leadWhenElected(
  election: Election,
  lead: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const candidate = new Candidate(election);
  const wait = election.wait ?? realWait;
  while (!signal.aborted) {
    if (await candidate.tryToHold()) {
      election.log.info('leading', { identity: election.identity });
      await leadOnce(candidate, lead, { signal, wait });
      election.log.info('no longer leading', { identity: election.identity });
    }
    await passed(wait, signal);
  }
  await candidate.release();
}

/** Waits until the next try; false when the signal aborted instead. */
async function passed(wait: Wait, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  await wait(TRY_EVERY_MS, signal).catch(() => undefined);
  return !signal.aborted;
}

async function leadOnce(
  candidate: Candidate,
  lead: (signal: AbortSignal) => Promise<void>,
  { signal, wait }: { signal: AbortSignal; wait: Wait },
): Promise<void> {
  const lost = new AbortController();
  const leading = AbortSignal.any([signal, lost.signal]);
  const renewing = (async () => {
    while (await passed(wait, leading)) {
      if (!(await candidate.tryToHold()) && candidate.mustStop()) lost.abort();
    }
  })();
  try {
    await lead(leading);
  } finally {
    lost.abort();
    await renewing;
  }
}

/** One process that wants the lease. */
class Candidate {
  readonly #election: Election;
  #seen: { version: string | undefined; at: number } | undefined;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #taken = false;

  constructor(election: Election) {
    this.#election = election;
  }

  /** Takes or renews the lease; false when another holds it or the API server can't be asked. */
  async tryToHold(): Promise<boolean> {
    const { cluster, log, namespace, lease } = this.#election;
    try {
      const found = await cluster.get({ kind: KINDS.lease, namespace, name: lease });
      this.#taken = found !== undefined && !this.#mayTake(found);
      if (this.#taken) return false;
      const wanted = this.#wanted(found);
      await (found === undefined ? cluster.create(wanted) : cluster.replace(wanted));
      this.#renewedAt = this.#now();
      return true;
    } catch (error) {
      if (isKubeError(error, 'CONFLICT', 'ALREADY_EXISTS')) return false;
      log.warn('the lease could not be read or written', { error: describeError(error) });
      return false;
    }
  }

  /** True when a leader must not go on: someone else holds the lease, or renewing failed for too long. */
  mustStop(): boolean {
    return this.#taken || this.#now() - this.#renewedAt > RENEW_WITHIN_MS;
  }

  /** Gives the lease back, so that the next one need not wait for it to expire. */
  async release(): Promise<void> {
    const { cluster, namespace, lease, identity } = this.#election;
    try {
      const found = await cluster.get({ kind: KINDS.lease, namespace, name: lease });
      if (found === undefined || specOf(found).holderIdentity !== identity) return;
      const spec = { ...specOf(found), holderIdentity: '', leaseDurationSeconds: 1 };
      await cluster.replace({ ...found, spec });
    } catch {
      // It expires by itself.
    }
  }

  #mayTake(found: KubeObject): boolean {
    const { holderIdentity, leaseDurationSeconds } = specOf(found);
    const version = found.metadata.resourceVersion;
    if (this.#seen === undefined || this.#seen.version !== version) this.#seen = { version, at: this.#now() };
    if (holderIdentity === this.#election.identity || (holderIdentity ?? '') === '') return true;
    return this.#now() - this.#seen.at > (leaseDurationSeconds ?? LEASE_MS / 1000) * 1000;
  }

  #wanted(found: KubeObject | undefined): KubeObject {
    const { namespace, lease, identity, clock } = this.#election;
    const before = found === undefined ? undefined : specOf(found);
    const isOurs = before?.holderIdentity === identity;
    // MicroTime: Kubernetes wants six digits.
    const now = clock.now().toISOString().replace('Z', '000Z');
    const spec = {
      holderIdentity: identity,
      leaseDurationSeconds: LEASE_MS / 1000,
      acquireTime: isOurs ? (before.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (before?.leaseTransitions ?? 0) + (isOurs || before === undefined ? 0 : 1),
    };
    return found === undefined
      ? { ...KINDS.lease, metadata: { name: lease, namespace }, spec }
      : { ...found, spec: { ...(found.spec as object), ...spec } };
  }

  #now(): number {
    return this.#election.clock.now().getTime();
  }
}

function specOf(lease: KubeObject): z.infer<typeof specSchema> {
  const parsed = specSchema.safeParse(lease.spec ?? {});
  return parsed.success ? parsed.data : {};
}
