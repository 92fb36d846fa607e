import { type AdjustableClock, clockAt } from '../../../appliance/kernel/clock.ts';
import { initialiseRepository, type RepositoryKeys } from '../../../trust-root/initialise.ts';
import { generateKey, type KeyAlgorithm } from '../../../trust-root/keys.ts';
import { type PublishContext, publishTargets } from '../../../trust-root/publish.ts';
import { refreshRepository } from '../../../trust-root/refresh.ts';
import { DEFAULT_POLICY } from '../../../trust-root/repository-policy.ts';
import { loadRepository } from '../../../trust-root/repository-state.ts';
import { MemoryRepositoryStore } from '../../../trust-root/repository-store-memory.ts';
import { type Rotation, rotateKeys } from '../../../trust-root/rotate.ts';
import { keySigner, type Signer } from '../../../trust-root/signer.ts';
import { publishSiteState } from '../../../trust-root/site-state.ts';
import { targetContent } from '../../../trust-root/target-content.ts';
import { type KeptMetadata, TufClient } from '../../../trust-root/tuf-client.ts';
import { storeTransport } from '../../../trust-root/tuf-transport.ts';

export const START = new Date('2026-11-21T06:00:00Z');

/** `count` new signers. */
export function signers(count: number, algorithm: KeyAlgorithm = 'p256'): Signer[] {
  return Array.from({ length: count }, () => keySigner(generateKey(algorithm)));
}

/** One new signer. */
export function signer(algorithm: KeyAlgorithm = 'p256'): Signer {
  return keySigner(generateKey(algorithm));
}

/** The keys of a repository: root 2-of-3, targets 2-of-3, upstream 1-of-2. */
export function repositoryKeys(algorithm: KeyAlgorithm = 'p256'): RepositoryKeys {
  return {
    root: { signers: signers(3, algorithm), threshold: 2 },
    targets: { signers: signers(3, algorithm), threshold: 2 },
    upstream: { signers: signers(2, algorithm), threshold: 1 },
    snapshot: signer(algorithm),
    timestamp: signer(algorithm),
    siteState: signer(algorithm),
  };
}

/** A site's repository in memory, its keys, a clock, and short verbs over them. */
export interface RepositoryWorld {
  readonly store: MemoryRepositoryStore;
  readonly keys: RepositoryKeys;
  readonly clock: AdjustableClock;
  readonly root: Buffer;
  readonly context: PublishContext;
  publish(targets: Readonly<Record<string, string>>): Promise<void>;
  siteState(files: Readonly<Record<string, string>>): Promise<void>;
  refresh(): Promise<boolean>;
  /** Gives roles new keys; `keys` are the new ones afterwards. */
  rotate(rotation: Rotation): Promise<void>;
  client(kept?: KeptMetadata): TufClient;
}

export async function repositoryWorld(
  options: { algorithm?: KeyAlgorithm; targets?: Record<string, string>; start?: Date } = {},
): Promise<RepositoryWorld> {
  const store = new MemoryRepositoryStore();
  const clock = clockAt(options.start ?? START);
  const keys = repositoryKeys(options.algorithm);
  const targets = new Map(Object.entries(options.targets ?? {}).map(([name, text]) => [name, targetContent(text)]));
  const root = await initialiseRepository(store, { keys, policy: DEFAULT_POLICY, clock, targets });
  const context: PublishContext = { store, policy: DEFAULT_POLICY, clock, online: keys };
  return {
    store,
    keys,
    clock,
    root,
    context,
    publish: async (files) => {
      const set = new Map(Object.entries(files).map(([name, text]) => [name, targetContent(text)]));
      const state = await loadRepository(store);
      await publishTargets(context, state, { change: { set }, signers: keys.targets.signers });
    },
    siteState: async (files) => {
      const bytes = new Map(Object.entries(files).map(([name, text]) => [name, Buffer.from(text)]));
      await publishSiteState(context, await loadRepository(store), { files: bytes, signer: keys.siteState });
    },
    refresh: async () =>
      (await refreshRepository(context, await loadRepository(store), { siteState: keys.siteState })) !== undefined,
    rotate: async (rotation) => {
      Object.assign(keys, await rotateKeys(context, { ...keys }, rotation));
    },
    client: (kept = { roots: [root] }) =>
      new TufClient({ transport: storeTransport(store), clock, kept, strictKeyIds: true }),
  };
}
