import { copyFile, link, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Digest, hexOf } from '../../../appliance/kernel/digest.ts';
import { parseImageReference, repositoryName } from '../../../appliance/kernel/image-reference.ts';
import type { BuiltImage } from '../../images/image-layout.ts';

/**
 * Puts built images into the storage of a distribution registry, which may be running, each under its reference with
 * the original host as first part of the repository. Blobs are hard links to the images' layouts where the disk allows, so
 * hundreds of megabytes take no time and no space. Layout: distribution `registry/storage/paths.go`.
 */
export async function populateRegistry(root: string, images: Iterable<BuiltImage>): Promise<void> {
  const base = path.join(root, 'docker/registry/v2');
  for (const image of images) {
    const reference = parseImageReference(image.reference);
    const repository = path.join(base, 'repositories', repositoryName(reference));
    const blobs = (await readdir(path.join(image.layout, 'blobs/sha256'))).filter((name) =>
      /^[0-9a-f]{64}$/.test(name),
    );
    for (const hex of blobs) {
      await placeBlob(base, path.join(image.layout, 'blobs/sha256', hex), hex);
      await writeLink(path.join(repository, '_layers/sha256', hex), `sha256:${hex}`);
    }
    for (const digest of await manifestsOf(image)) {
      await writeLink(path.join(repository, '_manifests/revisions/sha256', hexOf(digest)), digest);
    }
    const tag = path.join(repository, '_manifests/tags', reference.tag ?? 'latest');
    await writeLink(path.join(tag, 'index/sha256', hexOf(image.digest)), image.digest);
    await writeLink(path.join(tag, 'current'), image.digest);
  }
}

async function placeBlob(base: string, source: string, hex: string): Promise<void> {
  const folder = path.join(base, 'blobs/sha256', hex.slice(0, 2), hex);
  const target = path.join(folder, 'data');
  await mkdir(folder, { recursive: true });
  await link(source, target).catch(async (error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EXDEV') await copyFile(source, target);
    else if (code !== 'EEXIST') throw error;
  });
}

async function writeLink(folder: string, digest: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'link'), digest);
}

/** The image's own manifest or index, and an index's children. */
async function manifestsOf({ layout, digest }: BuiltImage): Promise<Digest[]> {
  const text = await readFile(path.join(layout, 'blobs/sha256', hexOf(digest)), 'utf8');
  const { manifests = [] } = JSON.parse(text) as { manifests?: { digest: Digest }[] };
  return [digest, ...manifests.map((child) => child.digest)];
}
