/** What a containerd understands in hosts.toml, by its version. */
export interface ContainerdFeatures {
  /** `dial_timeout` bounds a dial; known from 2.1.0. */
  readonly dialTimeout: boolean;
  /** The capability `referrers`; known from 2.2.0. An older containerd drops the whole file over an unknown capability. */
  readonly referrers: boolean;
}

/** `major.minor.patch` of a containerd release; `prerelease` is true for alpha, beta and rc builds of it. */
export interface ContainerdVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  readonly prerelease: boolean;
}

const VERSION = /^v?(\d{1,4})\.(\d{1,4})(?:\.(\d{1,4}))?([-~+.].*)?$/;

/** Reads a version such as `1.6.20~ds1`, `v2.1.0-rc.1` or `2.2.1-k3s1`; `undefined` when it is none. */
export function parseContainerdVersion(text: string): ContainerdVersion | undefined {
  const match = VERSION.exec(text.trim().slice(0, 100));
  if (match === null) return undefined;
  const [, major, minor, patch = '0', rest = ''] = match;
  return {
    major: Number(major),
    minor: Number(minor),
    patch: Number(patch),
    prerelease: /^[-~.]?(alpha|beta|rc)/i.test(rest),
  };
}

/**
 * The version in a node's `status.nodeInfo.containerRuntimeVersion` (`containerd://1.6.20~ds1`);
 * `undefined` for another runtime or an unreadable text.
 */
export function versionFromNodeInfo(containerRuntimeVersion: string): ContainerdVersion | undefined {
  const prefix = 'containerd://';
  if (!containerRuntimeVersion.startsWith(prefix)) return undefined;
  return parseContainerdVersion(containerRuntimeVersion.slice(prefix.length));
}

/** What to write for a version. An unknown one gets what every containerd understands. */
export function featuresOf(version: ContainerdVersion | undefined): ContainerdFeatures {
  return { dialTimeout: isAtLeast(version, 2, 1), referrers: isAtLeast(version, 2, 2) };
}

function isAtLeast(version: ContainerdVersion | undefined, major: number, minor: number): boolean {
  if (version === undefined) return false;
  if (version.major !== major) return version.major > major;
  if (version.minor !== minor) return version.minor > minor;
  // A release candidate of x.y.0 may have been cut before the feature went in.
  return version.patch > 0 || !version.prerelease;
}
