import { digestOf } from '../../appliance/kernel/digest.ts';
import type { LayerEntry } from './layer.ts';

/** What a container runtime is told: OCI image-spec config.md, "Properties", `config`. */
export interface ImageConfig {
  readonly user?: string;
  readonly env?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly workingDir?: string;
  readonly exposedPorts?: readonly string[];
  readonly volumes?: readonly string[];
  readonly stopSignal?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

/** One platform's image. */
export interface PlatformImage {
  readonly architecture: 'amd64' | 'arm64';
  readonly config: ImageConfig;
  readonly layers: readonly (readonly LayerEntry[])[];
}

/** An image to be built: one manifest, or an index over several platforms. */
export interface Image {
  /** Full reference with a tag; what the layout's index names it. */
  readonly reference: string;
  readonly platforms: readonly PlatformImage[];
}

/** Raised when the same inputs would give other bytes than before. */
const FORMAT = 1;

/** A digest over everything that decides an image's bytes, without reading the files that it is made of. */
export function inputsOf(image: Image): string {
  const platforms = image.platforms.map(({ architecture, config, layers }) => ({
    architecture,
    config,
    layers: layers.map((layer) => layer.map(inputOf)),
  }));
  return digestOf(JSON.stringify({ format: FORMAT, reference: image.reference, platforms }));
}

function inputOf(entry: LayerEntry): unknown {
  if (entry.kind !== 'file') return entry;
  const { path, mode, uid, gid } = entry;
  const content = 'content' in entry ? digestOf(entry.content) : [entry.source.identity, entry.source.size];
  return { path, mode, uid, gid, content };
}
