import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

import { z } from 'zod';

import type { Clock } from '../kernel/clock.ts';
import type { Cluster } from '../kube/cluster.ts';
import { isKubeError } from '../kube/kube-error.ts';
import { KINDS, type KubeObject, refOf } from '../kube/kube-object.ts';
import { InstallerError } from './installer-error.ts';
import { MANAGED } from './secrets.ts';
import { SEALIFT } from './site-names.ts';
import { NAMESPACES } from './steps/namespaces.ts';

const LEASE_SECONDS = 20;
const RENEW_MS = 5000;
const REF = { kind: KINDS.lease, namespace: SEALIFT, name: 'sealift-install' };

const leaseSchema = z.looseObject({
  spec: z
    .looseObject({
      holderIdentity: z.string().nullish(),
      renewTime: z.string().nullish(),
      leaseDurationSeconds: z.number().nullish(),
    })
    .prefault({}),
});

/** What the Lease needs; the process's own where it isn't told. */
export interface LeaseOptions {
  readonly cluster: Cluster;
  readonly clock: Clock;
  /** `host/pid/random` unless told. */
  readonly holder?: string;
  /** True when a process of this machine still runs. */
  readonly isAlive?: (pid: number) => boolean;
}

/** Who holds the Lease now: nobody, once it was released, ran out, or its holder on this machine is gone. */
export function holderOf(lease: KubeObject, now: Date, isAlive: (pid: number) => boolean): string | undefined {
  const { holderIdentity, renewTime, leaseDurationSeconds } = leaseSchema.parse(lease).spec;
  const ends = new Date(renewTime ?? 0).getTime() + (leaseDurationSeconds ?? LEASE_SECONDS) * 1000;
  const holder = holderIdentity ?? '';
  if (holder === '' || ends <= now.getTime()) return undefined;
  return wasKilledHere(holder, isAlive) ? undefined : holder;
}

function wasKilledHere(holder: string, isAlive: (pid: number) => boolean): boolean {
  const [host = '', pid = ''] = holder.split('/');
  return host === hostname() && /^[0-9]+$/.test(pid) && !isAlive(Number(pid));
}

function processIsAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/**
 * Holds the cluster's Lease of installations while `work` runs, so that no two change a site at once. A killed run's is
 * taken over: at once on the same machine, after 20 s from another.
 * @throws InstallerError `LEASE_HELD`.
 */
export async function withInstallLease<T>(options: LeaseOptions, work: () => Promise<T>): Promise<T> {
  const holder = options.holder ?? `${hostname()}/${process.pid}/${randomBytes(4).toString('hex')}`;
  await takeLease(options, holder);
  const timer = setInterval(() => {
    // A renewal that fails is tried again; after 20 s of failures another may take over, which the next write notices.
    void renewLease(options, holder).catch(() => undefined);
  }, RENEW_MS);
  timer.unref();
  try {
    return await work();
  } finally {
    clearInterval(timer);
    await release(options, holder).catch(() => undefined);
  }
}

function leaseObject(clock: Clock, holder: string): KubeObject {
  const renewTime = clock.now().toISOString().replace('Z', '000Z');
  const { name, namespace } = REF;
  return {
    ...KINDS.lease,
    metadata: { name, namespace, labels: MANAGED },
    spec: { holderIdentity: holder, leaseDurationSeconds: LEASE_SECONDS, renewTime },
  };
}

async function takeLease({ cluster, clock, isAlive = processIsAlive }: LeaseOptions, holder: string): Promise<void> {
  const namespace = NAMESPACES.find(({ metadata }) => metadata.name === SEALIFT);
  if (namespace !== undefined && (await cluster.get(refOf(namespace))) === undefined) await cluster.apply(namespace);
  try {
    const present = await cluster.get(REF);
    if (present === undefined) {
      await cluster.create(leaseObject(clock, holder));
      return;
    }
    const held = holderOf(present, clock.now(), isAlive);
    if (held !== undefined) throw heldBy(held);
    const { resourceVersion } = present.metadata;
    const lease = leaseObject(clock, holder);
    const metadata = { ...lease.metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
    await cluster.replace({ ...lease, metadata });
  } catch (error) {
    if (isKubeError(error, 'CONFLICT', 'ALREADY_EXISTS')) throw heldBy('another run, which was faster');
    throw error;
  }
}

function heldBy(holder: string): InstallerError {
  return new InstallerError('LEASE_HELD', `another installation changes this cluster: ${holder}`, {
    fix: 'wait until it has ended; a run that was killed is given up after 20 s',
  });
}

async function renewLease({ cluster, clock }: LeaseOptions, holder: string): Promise<void> {
  const present = await cluster.get(REF);
  if (present === undefined || leaseSchema.parse(present).spec.holderIdentity !== holder) return;
  await cluster.patch(REF, { type: 'merge', body: { spec: leaseObject(clock, holder).spec } });
}

async function release({ cluster }: LeaseOptions, holder: string): Promise<void> {
  const present = await cluster.get(REF);
  if (present === undefined || leaseSchema.parse(present).spec.holderIdentity !== holder) return;
  await cluster.patch(REF, { type: 'merge', body: { spec: { holderIdentity: null, renewTime: null } } });
}
