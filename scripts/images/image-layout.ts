import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Digest, digestOf, hexOf } from '../../appliance/kernel/digest.ts';
import { type Image, type ImageConfig, inputsOf, type PlatformImage } from './image.ts';
import { sortedEntries, type WrittenBlob, writeLayer } from './layer.ts';

/** An image that lies on the disk as an OCI image layout. */
export interface BuiltImage {
  readonly reference: string;
  /** The layout's folder. */
  readonly layout: string;
  /** Digest of the manifest, or of the index when there are several platforms. */
  readonly digest: Digest;
  readonly mediaType: string;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar';
/** Every time stamp of an image; fixed, so that a build can be repeated. */
const CREATED = '1970-01-01T00:00:00Z';

/**
 * Puts the image into a folder of its own below `folder`, named by the reference and its inputs. One that is there
 * already is left as it is.
 */
export async function ensureImageLayout(image: Image, folder: string): Promise<BuiltImage> {
  const prefix = `${image.reference.replaceAll(/[^a-zA-Z0-9.-]+/g, '_')}-`;
  const layout = path.join(folder, prefix + inputsOf(image).slice(7, 23));
  const there = await topOf(layout);
  const top = there ?? (await build(image, layout));
  if (there === undefined) await forgetOld(folder, prefix);
  return { reference: image.reference, layout, digest: top.digest, mediaType: top.mediaType };
}

/** So many states of an image stay in the cache: what another process is about to read is among them. */
const KEPT = 3;

/** Removes all but the latest layouts of an image. */
async function forgetOld(folder: string, prefix: string): Promise<void> {
  const ours = (await readdir(folder)).filter((name) => name.startsWith(prefix) && name.length === prefix.length + 16);
  const aged = await Promise.all(
    ours.map(async (name) => ({ name, changed: (await stat(path.join(folder, name))).mtimeMs })),
  );
  const old = aged.sort((a, b) => b.changed - a.changed).slice(KEPT);
  for (const { name } of old) await rm(path.join(folder, name), { recursive: true, force: true });
}

/** The one descriptor of a layout's index, or nothing when there is no whole layout. */
async function topOf(layout: string): Promise<Descriptor | undefined> {
  const text = await readFile(path.join(layout, 'index.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const { manifests } = JSON.parse(text) as { manifests: Descriptor[] };
  return manifests[0];
}

async function build(image: Image, layout: string): Promise<Descriptor> {
  const unfinished = `${layout}.${process.pid}.tmp`;
  await rm(unfinished, { recursive: true, force: true });
  const blobs = path.join(unfinished, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });
  const manifests = [];
  for (const platform of image.platforms) {
    const manifest = await writePlatform(platform, blobs);
    manifests.push({ ...manifest, platform: { architecture: platform.architecture, os: 'linux' } });
  }
  const [only] = manifests;
  if (only === undefined) throw new Error(`${image.reference} has no platform`);
  const top =
    manifests.length === 1
      ? { mediaType: only.mediaType, digest: only.digest, size: only.size }
      : await writeJson({ schemaVersion: 2, mediaType: INDEX, manifests }, INDEX, blobs);
  const named = { ...top, annotations: { 'org.opencontainers.image.ref.name': image.reference } };
  await writeFile(path.join(unfinished, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
  await writeFile(
    path.join(unfinished, 'index.json'),
    JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [named] }),
  );
  await rm(layout, { recursive: true, force: true });
  await rename(unfinished, layout);
  return top;
}

async function writePlatform({ architecture, config, layers }: PlatformImage, blobs: string): Promise<Descriptor> {
  const written: WrittenBlob[] = [];
  for (const layer of layers) written.push(await writeLayer(sortedEntries(layer), blobs));
  const document = {
    architecture,
    os: 'linux',
    created: CREATED,
    config: runtimeConfig(config),
    rootfs: { type: 'layers', diff_ids: written.map(({ digest }) => digest) },
    history: written.map(() => ({ created: CREATED, created_by: 'sealift scripts/images' })),
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: await writeJson(document, CONFIG, blobs),
    layers: written.map((blob) => ({ mediaType: LAYER, ...blob })),
  };
  return await writeJson(manifest, MANIFEST, blobs);
}

function runtimeConfig(config: ImageConfig): Record<string, unknown> {
  const asKeys = (names: readonly string[] | undefined) => names && Object.fromEntries(names.map((name) => [name, {}]));
  // JSON.stringify leaves out what is undefined.
  return {
    User: config.user,
    ExposedPorts: asKeys(config.exposedPorts),
    Env: config.env,
    Entrypoint: config.entrypoint,
    Cmd: config.cmd,
    Volumes: asKeys(config.volumes),
    WorkingDir: config.workingDir,
    Labels: config.labels,
    StopSignal: config.stopSignal,
  };
}

async function writeJson(value: unknown, mediaType: string, blobs: string): Promise<Descriptor> {
  const bytes = Buffer.from(JSON.stringify(value));
  const digest = digestOf(bytes);
  await writeFile(path.join(blobs, hexOf(digest)), bytes);
  return { mediaType, digest, size: bytes.length };
}
