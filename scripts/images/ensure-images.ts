import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { VERSION } from '../../appliance/version.ts';
import { cacheFolder } from '../lab/cache.ts';
import { withFileLock } from '../lab/file-lock.ts';
import { LabError } from '../lab/lab-error.ts';
import { APPLICATIONS, applicationImage } from './app-images.ts';
import { KO_IMAGES, koImage } from './go-images.ts';
import type { Image } from './image.ts';
import { type BuiltImage, ensureImageLayout } from './image-layout.ts';
import { mariadbImage } from './mariadb-image.ts';
import { busyboxImage, registryImage } from './registry-image.ts';
import { bundleSealift, sealiftImage } from './sealift-image.ts';

/** How images are built. */
export interface EnsureImagesOptions {
  /** Path of Sealift as one JavaScript file; made from appliance/cli.ts unless told. */
  readonly sealiftBundle?: string;
  /** Receives one line of progress for each image. */
  readonly say?: (line: string) => void;
  readonly cache?: string;
}

type Recipe = (options: EnsureImagesOptions) => Promise<Image>;

/** Every image of the lab by its short name: the last part of its repository, `app-…` for the applications. */
const RECIPES: ReadonlyMap<string, Recipe> = new Map<string, Recipe>([
  ...KO_IMAGES.map((image): [string, Recipe] => [image.binary, async () => await koImage(image)]),
  ['mariadb', mariadbImage],
  ['registry', registryImage],
  ['busybox', busyboxImage],
  ['sealift', async ({ sealiftBundle }) => await sealiftImage(VERSION, await sealiftProgram(sealiftBundle))],
  ...APPLICATIONS.map((name): [string, Recipe] => [`acme-${name}`, async () => await applicationImage(name)]),
]);

async function sealiftProgram(file: string | undefined): Promise<Buffer> {
  return file === undefined ? await bundleSealift() : await readFile(file);
}

/** Short names of all images. */
export const IMAGE_NAMES: readonly string[] = [...RECIPES.keys()];

/**
 * Makes sure that each named image lies in the cache as an OCI image layout, building what it is made of first.
 * @throws LabError `PIN_UNKNOWN` for a name that there is no image of; and what building programs throws.
 */
export async function ensureImages(
  names: readonly string[] = IMAGE_NAMES,
  options: EnsureImagesOptions = {},
): Promise<Map<string, BuiltImage>> {
  const { say = () => undefined, cache = cacheFolder() } = options;
  const built = new Map<string, BuiltImage>();
  for (const name of names) {
    const recipe = RECIPES.get(name);
    if (recipe === undefined) {
      throw new LabError('PIN_UNKNOWN', `there is no image ${name}`, {
        fix: `choose among: ${IMAGE_NAMES.join(', ')}`,
      });
    }
    const image = await recipe(options);
    const done = await withFileLock(path.join(cache, 'images.lock'), async () => {
      return await ensureImageLayout(image, path.join(cache, 'images'));
    });
    say(`${done.reference}@${done.digest}`);
    built.set(name, done);
  }
  return built;
}

if (import.meta.main) {
  const names = process.argv.slice(2);
  try {
    const built = await ensureImages(names.length === 0 ? undefined : names, { say: console.error });
    for (const [name, { reference, digest, layout }] of built)
      console.log([name, reference, digest, layout].join('\t'));
  } catch (error) {
    const known = error instanceof LabError;
    console.error(known ? `${error.message}\n${error.fix ?? ''}` : error);
    process.exitCode = 1;
  }
}
