import type { Digest } from '../kernel/digest.ts';

/** An image that the bundle brings. */
export interface BundledImage {
  /** `host/repository`. */
  readonly repository: string;
  readonly tag?: string;
  readonly digest: Digest;
  /** Bytes of its layers and configuration. */
  readonly size: number;
  /** `os/architecture` of each platform that it has. */
  readonly platforms: readonly string[];
}

/** A capsule of an upstream instance's trust (see trust-root). */
export interface BundledCapsule {
  /** The trust domain, e.g. `sigstore.dev`. */
  readonly domain: string;
  readonly bytes: Buffer;
  /** When it was captured, as the signed inventory says. */
  readonly capturedAt: Date;
  /** The upstream root that its capture started from, which the bundle's signature vouches for. */
  readonly root: Buffer;
}

/** What of a bundle's publication into a registry is told. */
export interface PublishProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/** Where images go. */
export interface RegistryTarget {
  /** Base URL, e.g. `https://127.0.0.1:43121`. */
  readonly url: string;
  /** PEM of the CA of its certificate; the system's roots when left out. */
  readonly ca?: string;
  readonly onProgress?: (progress: PublishProgress) => void;
  readonly signal?: AbortSignal;
}

/** A bundle whose signature and digests were checked, as the installer sees it. */
export interface InstallBundle {
  /** Path of the archive, for messages. */
  readonly path: string;
  /** Digest of the signed inventory. */
  readonly digest: Digest;
  /** Orders the bundles of one maker. */
  readonly sequence: number;
  readonly createdAt: Date;
  readonly images: readonly BundledImage[];
  /** Path of a chart's archive or folder, taken out of the bundle. @throws InstallerError `BUNDLE_INCOMPLETE`. */
  chart(name: string): Promise<string>;
  capsules(): Promise<readonly BundledCapsule[]>;
  /** ClusterImagePolicies that the bundle brings, as YAML text. */
  policies(): Promise<readonly string[]>;
  /** The evidence index of everything in the bundle, in its canonical bytes. */
  evidenceIndex(): Promise<Buffer>;
  /** Brings images and evidence into a registry, under `<original host>/<original repository>`; only what is not there. */
  publish(target: RegistryTarget): Promise<{ readonly written: number }>;
}
