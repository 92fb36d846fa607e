import type { ChartRelease, Helm, HelmValues, Release, ReleaseName } from './helm.ts';
import { HelmError } from './helm-error.ts';

/** Plays the templates of a chart, and the cluster that takes what they give. */
export interface MemoryHelmOptions {
  /** The manifests of a chart, each a plain object. Throws to refuse chart or values. */
  readonly render: (release: ChartRelease) => readonly object[];
  /** Takes a release's manifests in. */
  readonly apply?: (manifests: readonly object[], release: ReleaseName) => Promise<void>;
  /** Takes a release's manifests away. */
  readonly remove?: (manifests: readonly object[], release: ReleaseName) => Promise<void>;
}

interface Stored extends Release {
  readonly values: HelmValues;
  readonly manifests: readonly object[];
}

/** Helm in memory: releases with revisions; no templates, the test's `render` stands for them. */
export class MemoryHelm implements Helm {
  /** How many deployments changed something. */
  deployments = 0;
  readonly #releases = new Map<string, Stored>();
  readonly #options: MemoryHelmOptions;

  constructor(options: MemoryHelmOptions) {
    this.#options = options;
  }

  async template(release: ChartRelease): Promise<string> {
    return this.#render(release)
      .map((manifest) => `---\n${JSON.stringify(manifest)}\n`)
      .join('');
  }

  async release(name: ReleaseName): Promise<Release | undefined> {
    const stored = this.#releases.get(keyOf(name));
    if (stored === undefined) return undefined;
    const { name: releaseName, namespace, revision, chart, status, digest } = stored;
    return { name: releaseName, namespace, revision, chart, status, digest };
  }

  async list(namespace: string): Promise<Release[]> {
    const names = [...this.#releases.values()].filter((stored) => stored.namespace === namespace);
    const releases = await Promise.all(names.map((stored) => this.release(stored)));
    return releases.filter((release) => release !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async deploy(release: ChartRelease, digest: string): Promise<'deployed' | 'unchanged'> {
    const current = this.#releases.get(keyOf(release));
    if (current?.status === 'deployed' && current.digest === digest) return 'unchanged';
    const manifests = this.#render(release);
    const { name, namespace, values } = release;
    const revision = (current?.revision ?? 0) + 1;
    const chart = release.chart.replace(/^.*\//, '').replace(/\.tgz$/, '');
    const stored: Stored = { name, namespace, values, manifests, revision, chart, digest, status: 'pending' };
    this.#releases.set(keyOf(release), stored);
    await this.#options.apply?.(manifests, { name, namespace });
    this.#releases.set(keyOf(release), { ...stored, status: 'deployed' });
    this.deployments += 1;
    return 'deployed';
  }

  async values(name: ReleaseName): Promise<HelmValues | undefined> {
    return this.#releases.get(keyOf(name))?.values;
  }

  async uninstall(name: ReleaseName): Promise<boolean> {
    const stored = this.#releases.get(keyOf(name));
    if (stored === undefined) return false;
    await this.#options.remove?.(stored.manifests, name);
    return this.#releases.delete(keyOf(name));
  }

  #render(release: ChartRelease): readonly object[] {
    try {
      return this.#options.render(release);
    } catch (cause) {
      if (cause instanceof HelmError) throw cause;
      throw new HelmError('CHART_INVALID', `${release.chart}: can't be rendered`, { cause });
    }
  }
}

function keyOf({ name, namespace }: ReleaseName): string {
  return `${namespace}/${name}`;
}
