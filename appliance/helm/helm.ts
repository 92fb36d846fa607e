/** Values of a chart: what would stand in a values file. */
export type HelmValues = Readonly<Record<string, unknown>>;

/** Names one release. */
export interface ReleaseName {
  readonly name: string;
  readonly namespace: string;
}

/** A chart with its values, to be rendered or deployed. */
export interface ChartRelease extends ReleaseName {
  /** Path of the chart's folder or `.tgz`. */
  readonly chart: string;
  readonly values: HelmValues;
}

/** A release as it stands in the cluster. */
export interface Release extends ReleaseName {
  /** Counts up with each deployment. */
  readonly revision: number;
  /** Name and version of the chart, e.g. `rekor-0.1.0`. */
  readonly chart: string;
  readonly status: ReleaseStatus;
  /** What the deployment was made from, as {@link Helm.deploy} was told; `undefined` when somebody else made it. */
  readonly digest: string | undefined;
}

/** `pending`: a deployment or a removal that was never finished. */
export type ReleaseStatus = 'deployed' | 'failed' | 'pending' | 'uninstalled' | 'other';

/** Helm, in the verbs that Sealift needs. */
export interface Helm {
  /** The manifests that a chart gives, as YAML documents. @throws HelmError `CHART_INVALID`, `VALUES_INVALID`. */
  template(release: ChartRelease): Promise<string>;
  /** The release, or `undefined` when there is none. */
  release(name: ReleaseName): Promise<Release | undefined>;
  /** All releases of a namespace, sorted by name. */
  list(namespace: string): Promise<Release[]>;
  /**
   * Makes the cluster hold the release. When the newest revision is deployed and bears the same `digest`, nothing is
   * written. What a killed deployment left half-done is taken over. Doesn't wait for pods.
   * @param digest stands for chart and values; kept with the release.
   * @throws HelmError `CHART_INVALID`, `VALUES_INVALID`, `RELEASE_FAILED`.
   */
  deploy(release: ChartRelease, digest: string): Promise<'deployed' | 'unchanged'>;
  /** The values that the newest revision was deployed with; `undefined` when there is no release. */
  values(name: ReleaseName): Promise<HelmValues | undefined>;
  /** Takes a release away, but for what its chart says is kept. @returns false when it was not there. */
  uninstall(name: ReleaseName): Promise<boolean>;
}
