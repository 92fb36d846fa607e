import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

import { serializeEvidenceIndex } from '../../mirror/evidence-index.ts';
import type { Attachment, InventoryImage } from '../../mirror/inventory.ts';
import { serializeInventory } from '../../mirror/inventory.ts';
import { MAX_MANIFEST_BYTES, parseManifest } from '../../mirror/oci-types.ts';
import type { BundleReader } from '../../mirror/open-bundle.ts';
import { publishBundle } from '../../mirror/publish.ts';
import { registryClient } from '../../mirror/registry-client.ts';
import { type Digest, digestOf } from '../kernel/digest.ts';
import { parseImageReference, repositoryName } from '../kernel/image-reference.ts';
import { parseJson } from '../kernel/json.ts';
import type { BundledCapsule, BundledImage, InstallBundle, RegistryTarget } from './install-bundle.ts';
import { InstallerError } from './installer-error.ts';

const MAX_CHART_BYTES = 16 * 1024 * 1024;
const MAX_PROGRAM_BYTES = 512 * 1024 * 1024;
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

interface Content {
  readonly size: number;
  readonly platforms: readonly string[];
}

/** Size and platforms of an image, read from its manifests and configurations. */
async function contentOf(reader: BundleReader, descriptor: { digest: Digest; mediaType: string }): Promise<Content> {
  const bytes = await reader.readBlob(descriptor.digest, { maxBytes: MAX_MANIFEST_BYTES });
  const manifest = parseManifest(bytes, descriptor.mediaType);
  if (manifest.kind !== 'index') {
    const size = manifest.layers.reduce((sum, layer) => sum + layer.size, manifest.config.size);
    return { size, platforms: [await platformOf(reader, manifest.config.digest)].filter((text) => text !== '') };
  }
  const parts: Content[] = [];
  for (const child of manifest.manifests) if (reader.has(child.digest)) parts.push(await contentOf(reader, child));
  return {
    size: parts.reduce((sum, part) => sum + part.size, 0),
    platforms: parts.flatMap((part) => part.platforms),
  };
}

async function platformOf(reader: BundleReader, config: Digest): Promise<string> {
  const document = parseJson(await reader.readBlob(config, { maxBytes: MAX_MANIFEST_BYTES }), 'image configuration');
  const { os, architecture } = document as { os?: unknown; architecture?: unknown };
  return typeof os === 'string' && typeof architecture === 'string' ? `${os}/${architecture}` : '';
}

async function bundledImage(reader: BundleReader, { reference, descriptor }: InventoryImage): Promise<BundledImage> {
  const { tag, ...parsed } = parseImageReference(reference);
  const { size, platforms } = await contentOf(reader, descriptor);
  return {
    repository: repositoryName(parsed),
    ...(tag === undefined ? {} : { tag }),
    digest: descriptor.digest,
    size,
    platforms,
  };
}

/** An attachment by kind and name. @throws InstallerError `BUNDLE_INCOMPLETE`. */
function attachment(reader: BundleReader, kind: string, name: string): Attachment {
  const found = reader.attachments(kind).find((each) => each.name === name);
  if (found !== undefined) return found;
  throw new InstallerError('BUNDLE_INCOMPLETE', `the bundle has no ${kind} ${name}`, {
    fix: 'make the bundle again with this version: sealift bundle create',
  });
}

/**
 * A verified bundle as the installer uses it. Charts and programs are taken out into `workFolder`, which the caller removes.
 * The bundle must have been verified (`verifyBundle`).
 */
export async function openedBundle(reader: BundleReader, workFolder: string): Promise<InstallBundle> {
  const images: BundledImage[] = [];
  for (const image of reader.inventory.images) images.push(await bundledImage(reader, image));
  const charts = new Map<string, Promise<string>>();
  const takeChart = async (name: string): Promise<string> => {
    const { descriptor } = attachment(reader, 'chart', name);
    const file = path.join(workFolder, 'charts', `${name}.tgz`);
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    await writeFile(file, await reader.readBlob(descriptor.digest, { maxBytes: MAX_CHART_BYTES }));
    return file;
  };
  return {
    path: reader.path,
    digest: digestOf(serializeInventory(reader.inventory)),
    sequence: reader.inventory.sequence,
    createdAt: new Date(reader.inventory.createdAt),
    images,
    chart: (name) => {
      const taken = charts.get(name) ?? takeChart(name);
      charts.set(name, taken);
      return taken;
    },
    capsules: () => Promise.all(reader.attachments('capsule').map((each) => capsuleOf(reader, each))),
    policies: () =>
      Promise.all(
        reader
          .attachments('policy')
          .map(async ({ descriptor }) => (await document(reader, descriptor.digest)).toString('utf8')),
      ),
    evidenceIndex: async () => serializeEvidenceIndex(reader.inventory.evidence),
    publish: (target) => publish(reader, target),
  };
}

function document(reader: BundleReader, digest: Digest): Promise<Buffer> {
  return reader.readBlob(digest, { maxBytes: MAX_DOCUMENT_BYTES });
}

async function capsuleOf(reader: BundleReader, { name, descriptor, metadata }: Attachment): Promise<BundledCapsule> {
  const bytes = await document(reader, descriptor.digest);
  const { roots, capturedAt } = parseJson(bytes, `capsule of ${name}`, { maxBytes: MAX_DOCUMENT_BYTES }) as {
    roots?: unknown;
    capturedAt?: unknown;
  };
  const first: unknown = Array.isArray(roots) ? roots[0] : undefined;
  const when = metadata?.['capturedAt'] ?? capturedAt;
  if (typeof first !== 'string' || typeof when !== 'string') {
    throw new InstallerError('BUNDLE_INCOMPLETE', `the capsule of ${name} has no root or no capture time`);
  }
  return { domain: name, bytes, capturedAt: new Date(when), root: Buffer.from(first, 'base64') };
}

async function publish(reader: BundleReader, { url, ca, onProgress }: RegistryTarget): Promise<{ written: number }> {
  const client = registryClient({ mirrors: { '*': url }, ...(ca === undefined ? {} : { ca }) });
  try {
    const done = await publishBundle(reader, client, onProgress === undefined ? {} : { onProgress });
    return { written: done.sentBlobs + done.mountedBlobs + done.sentManifests + done.setTags };
  } finally {
    await client.close();
  }
}

/**
 * Takes a program out of the bundle.
 * @param platform `linux/amd64`. @returns its path, executable. @throws InstallerError `BUNDLE_INCOMPLETE`.
 */
export async function takeProgram(
  reader: BundleReader,
  { kind, platform }: { kind: string; platform: string },
  file: string,
): Promise<string> {
  const found = reader.attachments(kind).find((each) => each.platform === undefined || each.platform === platform);
  if (found === undefined) {
    throw new InstallerError('BUNDLE_INCOMPLETE', `the bundle has no ${kind} for ${platform}`, {
      fix: 'make the bundle again with programs for this platform',
    });
  }
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  // Read whole, so that its digest is checked once more at the moment when it becomes a program.
  await writeFile(file, await reader.readBlob(found.descriptor.digest, { maxBytes: MAX_PROGRAM_BYTES }), {
    mode: 0o700,
  });
  return file;
}
