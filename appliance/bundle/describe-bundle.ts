import { formatPlatform } from '../../mirror/descriptor.ts';
import type { EvidenceItem } from '../../mirror/evidence-index.ts';
import { MAX_MANIFEST_BYTES, MEDIA, parseManifest } from '../../mirror/oci-types.ts';
import type { BundleReader } from '../../mirror/open-bundle.ts';
import type { Digest } from '../kernel/digest.ts';
import { formatBytes } from './byte-progress.ts';

/** One piece of evidence, for people and programs. */
export interface DescribedEvidence {
  /** `signature`, `Sigstore bundle`, `attestation`, `SBOM`, or the artifact's type. */
  readonly what: string;
  readonly source: EvidenceItem['source'];
  readonly digest: Digest;
  readonly bytes: number;
}

/** One digest of an image, with what is attached to it and what is below it. */
export interface DescribedImage {
  readonly digest: Digest;
  readonly platform: string | undefined;
  readonly bytes: number;
  readonly evidence: readonly DescribedEvidence[];
  readonly children: readonly DescribedImage[];
}

/** What is in a bundle. */
export interface DescribedBundle {
  readonly path: string;
  readonly bytes: number;
  readonly createdAt: string;
  readonly sequence: number;
  readonly signedBy: Digest;
  readonly images: readonly {
    readonly reference: string;
    readonly roles: readonly string[];
    readonly image: DescribedImage;
  }[];
  readonly attachments: readonly {
    readonly kind: string;
    readonly name: string;
    readonly platform: string | undefined;
    readonly bytes: number;
    readonly digest: Digest;
  }[];
}

const MAX_DEPTH = 4;

/** Reads what is in a bundle: images with platforms and evidence, and attachments. */
export async function describeBundle(reader: BundleReader): Promise<DescribedBundle> {
  const { inventory } = reader;
  const images = [];
  for (const { reference, roles, descriptor } of inventory.images) {
    images.push({ reference, roles, image: await describeImage(reader, { ...descriptor, platform: undefined }, 0) });
  }
  return {
    path: reader.path,
    bytes: reader.bytes,
    createdAt: inventory.createdAt,
    sequence: inventory.sequence,
    signedBy: reader.signedBy,
    images,
    attachments: inventory.attachments.map(({ kind, name, platform, descriptor }) => ({
      kind,
      name,
      platform,
      bytes: descriptor.size,
      digest: descriptor.digest,
    })),
  };
}

interface Described {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly platform: string | undefined;
}

async function describeImage(
  reader: BundleReader,
  { digest, mediaType, platform }: Described,
  depth: number,
): Promise<DescribedImage> {
  const record = reader.inventory.evidence.images[digest];
  const manifest = parseManifest(await reader.readBlob(digest, { maxBytes: MAX_MANIFEST_BYTES }), mediaType);
  const children: DescribedImage[] = [];
  if (manifest.kind === 'index' && depth < MAX_DEPTH) {
    for (const child of manifest.manifests.filter((each) => record?.children.includes(each.digest))) {
      const name = child.platform === undefined ? undefined : formatPlatform(child.platform);
      children.push(await describeImage(reader, { ...child, platform: name }, depth + 1));
    }
  }
  const own = manifest.kind === 'index' ? [] : [manifest.config, ...manifest.layers];
  return {
    digest,
    platform,
    bytes: own.reduce((total, { size }) => total + size, 0) + children.reduce((total, { bytes }) => total + bytes, 0),
    evidence: (record?.evidence ?? []).map(describeEvidence),
    children,
  };
}

function describeEvidence(item: EvidenceItem): DescribedEvidence {
  const bytes = item.blobs.reduce((total, { size }) => total + size, item.manifest.size);
  return { what: nameOf(item), source: item.source, digest: item.manifest.digest, bytes };
}

function nameOf({ suffix, artifactType }: EvidenceItem): string {
  const bySuffix = { sig: 'signature', att: 'attestation', sbom: 'SBOM' };
  if (suffix !== undefined) return `${bySuffix[suffix]} (tag .${suffix})`;
  if (artifactType === MEDIA.sigstoreBundle) return 'Sigstore bundle';
  return artifactType ?? 'artifact';
}

/** The bundle as a tree, one line each. */
export function bundleTree(bundle: DescribedBundle): string[] {
  return [
    `${bundle.path}  ${formatBytes(bundle.bytes)}`,
    `made ${bundle.createdAt}, sequence ${bundle.sequence}, signed by ${bundle.signedBy}`,
    `images (${bundle.images.length})`,
    ...branches(
      bundle.images.map(({ reference, roles, image }) => ({
        text: `${reference}  ${formatBytes(image.bytes)}${roles.length === 0 ? '' : `  [${roles.join(', ')}]`}`,
        below: imageNodes(image),
      })),
    ),
    `attachments (${bundle.attachments.length})`,
    ...branches(
      bundle.attachments.map(({ kind, name, platform, bytes, digest }) => ({
        text: `${kind} ${name}${platform === undefined ? '' : ` ${platform}`}  ${formatBytes(bytes)}  ${digest}`,
        below: [],
      })),
    ),
  ];
}

interface Node {
  readonly text: string;
  readonly below: readonly Node[];
}

function imageNodes(image: DescribedImage): Node[] {
  return [
    ...image.children.map((child) => ({
      text: `${child.platform ?? 'no platform'}  ${child.digest}  ${formatBytes(child.bytes)}`,
      below: imageNodes(child),
    })),
    ...image.evidence.map(({ what, digest, bytes }) => ({
      text: `${what}  ${digest}  ${formatBytes(bytes)}`,
      below: [],
    })),
  ];
}

function branches(nodes: readonly Node[], indent = ''): string[] {
  return nodes.flatMap(({ text, below }, index) => {
    const isLast = index === nodes.length - 1;
    const line = `${indent}${isLast ? '└─' : '├─'} ${text}`;
    return [line, ...branches(below, `${indent}${isLast ? '   ' : '│  '}`)];
  });
}
