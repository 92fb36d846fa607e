import { describeError } from '../appliance/kernel/coded-error.ts';
import type { Log } from '../appliance/kernel/log.ts';
import { realWait, type Wait } from '../appliance/kernel/repeat.ts';
import type { Cluster } from '../appliance/kube/cluster.ts';
import { KINDS } from '../appliance/kube/kube-object.ts';
import { type Election, leadWhenElected } from './leader.ts';
import { keepNodes } from './node-keeper.ts';
import type { SitePublisher } from './site-publisher.ts';
import type { SiteScan } from './site-scan.ts';

/** What the controller of the nodes is made of. */
export interface ControllerParts {
  readonly cluster: Cluster;
  readonly election: Election;
  /** Left out where the site's state is published by something else. */
  readonly siteState?: { readonly scan: Pick<SiteScan, 'scan'>; readonly publisher: Pick<SitePublisher, 'publish'> };
  /** The ConfigMap whose every change asks for a scan at once. */
  readonly scanRequest: { readonly namespace: string; readonly name: string };
  readonly log: Log;
  readonly wait?: Wait;
}

const SCAN_EVERY_MS = 20_000;

/** Keeps taints and site state while it leads, until the signal aborts. @throws KubeError when nodes may not be watched. */
export async function runController(parts: ControllerParts, signal: AbortSignal): Promise<void> {
  const { cluster, election, log, wait } = parts;
  const lead = async (leading: AbortSignal): Promise<void> => {
    const ended = new AbortController();
    const both = AbortSignal.any([leading, ended.signal]);
    const work = [
      keepNodes({ cluster, log, ...(wait === undefined ? {} : { wait }) }, both),
      ...(parts.siteState === undefined ? [] : [keepSiteState(parts, parts.siteState, both)]),
    ];
    try {
      await Promise.all(work);
    } finally {
      ended.abort();
      await Promise.allSettled(work);
    }
  };
  await leadWhenElected(election, lead, signal);
}

/** Scans the registry and publishes what changed: regularly, and when asked. */
async function keepSiteState(
  { cluster, scanRequest, log, wait = realWait }: ControllerParts,
  { scan, publisher }: NonNullable<ControllerParts['siteState']>,
  signal: AbortSignal,
): Promise<void> {
  const request = new ScanRequests();
  const watching = cluster.watch(KINDS.configMap, {
    namespace: scanRequest.namespace,
    fieldSelector: `metadata.name=${scanRequest.name}`,
    signal,
    onEvent: ({ type }) => {
      if (type !== 'synced') request.note();
    },
  });
  // A missing right to watch the request must not end the regular scans.
  watching.catch((error: unknown) => log.warn('scans can not be asked for', { error: describeError(error) }));
  while (!signal.aborted) {
    try {
      await publisher.publish(await scan.scan());
    } catch (error) {
      log.warn("the site's state could not be published", { error: describeError(error) });
    }
    await request.noted(async (either) => await wait(SCAN_EVERY_MS, either), signal);
  }
}

/** Notes requests, so that one that comes during a scan is answered by another scan right after. */
class ScanRequests {
  #isNoted = false;
  #wake = (): void => undefined;

  note(): void {
    this.#isNoted = true;
    this.#wake();
  }

  /** Fulfilled when a request was noted, `pause` is over or the signal aborted. */
  async noted(pause: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const enough = new AbortController();
    const asked = new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (this.#isNoted) resolve();
    });
    await Promise.race([asked, pause(AbortSignal.any([signal, enough.signal])).catch(() => undefined)]);
    enough.abort();
    this.#isNoted = false;
  }
}
