import { describeError } from '../appliance/kernel/coded-error.ts';
import type { Log } from '../appliance/kernel/log.ts';
import type { EvidenceIndex } from '../mirror/evidence-index.ts';
import type { ContainerdFeatures } from './containerd.ts';
import { type HostsFolders, writeHosts } from './containerd-hosts.ts';
import { hostFolder, hostsTomlFiles } from './hosts-toml.ts';
import { splitName } from './site-names.ts';

/** How a node's containerd is led to the site's registry. */
export interface MirrorHostsOptions {
  readonly folders: HostsFolders;
  /** Address of the registry as the node reaches it. */
  readonly registryAddress: string;
  /** PEM of the CA that the registry's certificate chains to. */
  readonly caPem: string;
  /** Registry hosts that are mirrored besides those of images that the site holds. */
  readonly hosts: readonly string[];
  readonly log: Log;
}

/** Name of the CA's file below Sealift's folder. */
const CA_FILE = 'site-ca.pem';
/**
 * Most hosts that are taken from the index. Whoever can push to the registry names them; without a limit the record of
 * what was written grows past what is read back, and the node would never be synced again.
 */
const MAX_INDEX_HOSTS = 512;

/** Keeps certs.d so that original references lead to the site's registry, and nowhere else. */
export class MirrorHosts {
  readonly #options: MirrorHostsOptions;
  #foreign = '';

  constructor(options: MirrorHostsOptions) {
    this.#options = options;
  }

  /** Makes certs.d lead every host that `index` names to the site's registry. @throws DaemonsetError. */
  async keep(index: EvidenceIndex, features: ContainerdFeatures): Promise<void> {
    const { folders, registryAddress, caPem, log } = this.#options;
    const caFile = `${folders.state.root}/${CA_FILE}`;
    const wanted = hostsTomlFiles(this.#hosts(index), { registryAddress, caFile, features });
    if ((await folders.state.read(CA_FILE)) !== caPem) await folders.state.write(CA_FILE, caPem);
    const { changed, foreign } = await writeHosts(folders, wanted);
    if (changed.length > 0) log.info('hosts.toml was written', { files: changed });
    if (foreign.join() === this.#foreign) return;
    this.#foreign = foreign.join();
    if (foreign.length === 0) return;
    log.warn('containerd has folders for registries that this site does not mirror; they are left alone', { foreign });
  }

  #hosts(index: EvidenceIndex): Set<string> {
    const named = [...hostsIn(index)].filter(([host]) => this.#isHost(host));
    // Those of the most images first: names made up to crowd out others have few.
    const ranked = named.sort(([a, many], [b, few]) => few - many || (a < b ? -1 : 1)).map(([host]) => host);
    if (ranked.length > MAX_INDEX_HOSTS) {
      const count = ranked.length;
      this.#options.log.error('the registry holds images of too many hosts; not all are mirrored', { count });
    }
    return new Set([...this.#options.hosts, ...ranked.slice(0, MAX_INDEX_HOSTS)]);
  }

  /** A repository with an odd name in the registry must not keep the others from being mirrored. */
  #isHost(host: string): boolean {
    try {
      hostFolder(host);
      return true;
    } catch (error) {
      this.#options.log.debug('not a registry host', { error: describeError(error) });
      return false;
    }
  }
}

/** How many images an index has of each host. */
function hostsIn(index: EvidenceIndex): Map<string, number> {
  const hosts = new Map<string, number>();
  for (const { repositories } of Object.values(index.images)) {
    for (const host of new Set(repositories.map((name) => splitName(name)?.host))) {
      if (host !== undefined) hosts.set(host, (hosts.get(host) ?? 0) + 1);
    }
  }
  return hosts;
}
