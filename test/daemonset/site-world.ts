import type { ExecutionContext } from 'ava';

import { type Digest, digestOf } from '../../appliance/kernel/digest.ts';
import { silentLog } from '../../appliance/kernel/log.ts';
import { listRepositories } from '../../daemonset/registry-catalog.ts';
import { siteMirrors } from '../../daemonset/site-names.ts';
import { SitePublisher } from '../../daemonset/site-publisher.ts';
import { SiteScan } from '../../daemonset/site-scan.ts';
import { type MemoryRegistryOptions } from '../../mirror/memory-registry.ts';
import { registryClient } from '../../mirror/registry-client.ts';
import type { RegistryClient, RepositoryClient } from '../../mirror/registry-port.ts';
import { imageOf, push, schemeTag } from '../mirror/support/images.ts';
import { notingRetry } from '../mirror/support/server.ts';
import { type RegistryWorld, registryWorld } from '../mirror/support/world.ts';
import { type RepositoryWorld, repositoryWorld } from '../trust-root/world/repository-world.ts';

/** A site's registry and TUF repository in memory, and what publishes the one's state in the other. */
export interface SiteWorld {
  readonly registry: RegistryWorld;
  /** Leads every name to the site's registry, as agents and controller have it. */
  readonly client: RegistryClient;
  readonly tuf: RepositoryWorld;
  readonly scan: SiteScan;
  readonly publisher: SitePublisher;
  readonly app: RepositoryClient;
  /** Pushes an image `ghcr.io/acme/app:<tag>` with a `.sig`, and gives its digest. */
  readonly pushSigned: (tag: string, signature?: string) => Promise<Digest>;
  /** Scans and publishes, as the controller does. */
  readonly publishState: () => Promise<void>;
}

export async function siteWorld(t: ExecutionContext, options: MemoryRegistryOptions = {}): Promise<SiteWorld> {
  const registry = await registryWorld(t, options);
  const tuf = await repositoryWorld({ targets: { 'trusted_root.json': '{"site":1}', 'policies.json': '{}' } });
  const { store, clock, keys, context } = tuf;
  const client = registryClient({ mirrors: siteMirrors(registry.origin), retry: notingRetry() });
  t.teardown(async () => await client.close());
  const scan = new SiteScan({
    registry: client,
    catalog: async () => await listRepositories({ url: registry.origin }),
    log: silentLog,
  });
  const publisher = new SitePublisher({
    store,
    clock,
    policy: context.policy,
    signers: async () => keys,
    log: silentLog,
  });
  const app = registry.client.repository({ host: 'ghcr.io', repository: 'acme/app' });
  return {
    registry,
    client,
    tuf,
    scan,
    publisher,
    app,
    pushSigned: async (tag, signature = `signature of ${tag}`) => {
      const image = imageOf(`layer of ${tag}`);
      await push(app, image, tag);
      const { digest } = image.manifest.descriptor;
      await push(app, imageOf(signature), schemeTag(digest, 'sig'));
      return digest;
    },
    publishState: async () => {
      await publisher.publish(await scan.scan());
    },
  };
}

/** The digest of a layer that {@link SiteWorld.pushSigned} signed with. */
export function signatureBlob(tag: string): Digest {
  return digestOf(`signature of ${tag}`);
}
