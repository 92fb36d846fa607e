import { setTimeout as delay } from 'node:timers/promises';

import { fileBlobStore } from '../../mirror/blob-folder.ts';
import type { EvidenceIndex } from '../../mirror/evidence-index.ts';
import { readFloor } from '../../trust-root/floor.ts';
import { nodePaths, verifyGeneration } from '../../trust-root/generation.ts';
import type { Clock } from '../kernel/clock.ts';
import { describeError } from '../kernel/coded-error.ts';
import type { Log } from '../kernel/log.ts';
import type { Cluster } from '../kube/cluster.ts';
import { storedEvidence } from '../verification/stored-evidence.ts';
import type { Verdict } from '../verification/verdict.ts';
import { verifyImage } from '../verification/verify-image.ts';
import { CertificateReload, readServingPair } from './certificate-reload.ts';
import { documentFault } from './cluster-documents.ts';
import { type GenerationContents, readGeneration } from './generation-contents.ts';
import { type Readiness, webhookHandler } from './handler.ts';
import type { RegistrySide } from './judging-world.ts';
import { LiveWorld } from './live-world.ts';
import { PolicyKeys } from './policy-keys.ts';
import { PolicySource } from './policy-source.ts';
import { poll } from './poll.ts';
import { registryEvidence } from './registry-evidence.ts';
import { type RunningServer, startServer } from './server.ts';
import { siteRegistry } from './site-registry.ts';
import { TrustSource } from './trust-source.ts';
import { VerdictCache } from './verdict-cache.ts';
import { LatestRun, warmUp } from './warm-up.ts';
import { webhookMetrics } from './webhook-metrics.ts';

/** Everything that a webhook is started with. */
export interface WebhookOptions {
  /** Sealift's folder on the node, `/var/lib/sealift`; only read. */
  readonly stateFolder: string;
  /** 64 hex digits: the sha256 of the site's root v1. */
  readonly rootSha256: string;
  readonly listen: { readonly host: string; readonly port: number };
  /** Folder with `tls.crt` and `tls.key`. */
  readonly tlsFolder: string;
  /** The site's registry; without it, images that no generation holds can't be judged. */
  readonly registry?: { readonly url: URL; readonly ca?: string; readonly ownNames: readonly string[] };
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends the webhook: it is no longer ready, answers for a while yet, then finishes what is under way. */
  readonly signal: AbortSignal;
  /** How long it goes on answering after the signal, until endpoints are updated; 5000 ms unless told. */
  readonly lameDuckMs?: number;
}

/** A webhook that runs. */
export interface RunningWebhook {
  readonly port: number;
  readiness(): Readiness;
  /** Resolves when the last request is answered after the signal. */
  readonly ended: Promise<void>;
}

const CACHE_LIMITS = { maxEntries: 20_000, maxBytes: 64 * 1024 * 1024 };
const TRUST_POLL_MS = 1000;
const CERTIFICATE_POLL_MS = 5000;
const LAME_DUCK_MS = 5000;
const DRAIN_MS = 10_000;

/**
 * Starts the admission webhook. It listens at once and is ready when trust and policies are loaded; what it is asked
 * before is refused with the reason.
 * @throws WebhookError `CERTIFICATE_INVALID`; the system's error when it can't listen.
 */
export async function startWebhook(options: WebhookOptions): Promise<RunningWebhook> {
  const { clock, log, signal, tlsFolder, cluster } = options;
  const pair = await readServingPair(tlsFolder);
  const warming = new LatestRun(async (stop) => {
    await warm(live, trust.current()?.contents.index, { log, stop });
  });
  const trust = trustOf(options, () => {
    live.trustChanged();
    warming.request();
  });
  const onChange = (): void => {
    live.policiesChanged();
    warming.request();
  };
  const policies = new PolicySource({ cluster, log, onChange });
  const keys = new PolicyKeys({ cluster, log, onChange });
  const registry = registrySide(options);
  const live: LiveWorld = new LiveWorld({
    trust,
    policies,
    keys,
    registry,
    clock,
    cache: new VerdictCache<Verdict>(CACHE_LIMITS, clock),
    verify: verifyImage,
    readSynced: (index) => storedEvidence(index, fileBlobStore(nodePaths(options.stateFolder).evidence)),
  });
  const readiness = (): Readiness => {
    const { ready, details } = live.readiness();
    return signal.aborted ? { ready: false, details: { ...details, ending: true } } : { ready, details };
  };
  const handler = webhookHandler({ world: live, documentFault, readiness, metrics: webhookMetrics(live), log });
  const server = await startServer({ ...options.listen, pair, handler, log });
  const reload = new CertificateReload({ folder: tlsFolder, served: pair }, server, log);
  log.info('listening', { host: server.host, port: server.port });
  await trust.look();
  const work = Promise.all([
    policies.follow(signal),
    keys.follow(signal),
    poll(TRUST_POLL_MS, async () => await trust.look(), signal),
    poll(CERTIFICATE_POLL_MS, async () => await reload.look(), signal),
  ]);
  const ended = endedAfter(server, options).then(async () => {
    await Promise.all([work, warming.stop(), registry?.close()]);
  });
  return { port: server.port, readiness, ended };
}

function trustOf(
  { stateFolder, rootSha256, clock, log }: WebhookOptions,
  onChange: () => void,
): TrustSource<GenerationContents> {
  const paths = nodePaths(stateFolder);
  return new TrustSource({
    paths,
    rootSha256,
    clock,
    log,
    verify: async (folder, pinnedRoot) =>
      await verifyGeneration(folder, { pinnedRoot, clock, floor: await readFloor(paths.floor) }),
    read: readGeneration,
    onChange,
  });
}

function registrySide({ registry, clock }: WebhookOptions): ClosableRegistry | undefined {
  if (registry === undefined) return undefined;
  const client = siteRegistry({ ...registry, clock });
  return {
    digestOf: async (reference) => await client.digestOf(reference),
    evidence: registryEvidence(client),
    close: async () => {
      await client.close();
    },
  };
}

type ClosableRegistry = RegistrySide & { readonly close: () => Promise<void> };

/** Verdicts ahead of time, once there is a world to reach them in. */
async function warm(live: LiveWorld, index: EvidenceIndex | undefined, { log, stop }: { log: Log; stop: AbortSignal }) {
  if (index === undefined || !live.readiness().ready) return;
  try {
    const verdicts = await warmUp(live.current(), index, stop);
    if (!stop.aborted && verdicts > 0) log.info('verdicts reached ahead of time', { verdicts });
  } catch (error) {
    log.warn('no verdicts ahead of time', { error: describeError(error) });
  }
}

async function endedAfter(server: RunningServer, options: WebhookOptions): Promise<void> {
  const { signal, lameDuckMs = LAME_DUCK_MS, log } = options;
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  log.info('ending');
  server.retire();
  await delay(lameDuckMs);
  await server.drain(DRAIN_MS);
}
