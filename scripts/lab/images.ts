import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { debianFiles } from '../images/debian-files.ts';
import { cacheFolder } from './cache.ts';
import { PAUSE_IMAGE } from './node-config.ts';
import { binaryPin } from './pins.ts';
import { run } from './program.ts';

/** CoreDNS, and a shell with the usual small programs for tests, under the names that pods use. */
export const COREDNS_IMAGE = `registry.k8s.io/coredns/coredns:${binaryPin('coredns').version}`;
export const BUSYBOX_IMAGE = 'docker.io/library/busybox:lab';

/** The images that every node of a lab has from the start. */
interface LabImage {
  readonly reference: string;
  /** A program and where it goes in the image. */
  readonly program: string;
  readonly at: string;
  /** Other names for it. */
  readonly links?: readonly string[];
  /** Files that go in as they are on this machine, at the same paths. */
  readonly files?: readonly string[];
}

/**
 * Makes the archives of the images that every node has from the start, unless they are there.
 * @returns the archives' paths.
 */
export async function ensureLabImages(binaries: ReadonlyMap<string, string>): Promise<string[]> {
  const images: LabImage[] = [
    { reference: PAUSE_IMAGE, program: binaries.get('pause') ?? '', at: 'pause' },
    { reference: COREDNS_IMAGE, program: binaries.get('coredns') ?? '', at: 'coredns' },
    await busyboxImage(),
  ];
  return await Promise.all(images.map(ensureImage));
}

/** Debian's busybox with its libraries. Its wget dies of `-T`; use `timeout`. */
async function busyboxImage(): Promise<LabImage> {
  const [folder = ''] = await debianFiles(['busybox']);
  const program = path.join(folder, 'bin/busybox');
  const applets = (await run([program, '--list'])).stdout.trim().split('\n');
  const libraries = (await run(['ldd', program])).stdout.matchAll(/\/\S+/g);
  return {
    reference: BUSYBOX_IMAGE,
    program,
    at: 'bin/busybox',
    links: applets.filter((name) => name !== 'busybox').map((name) => `bin/${name}`),
    files: [...libraries].map(([file]) => file),
  };
}

async function ensureImage(image: LabImage): Promise<string> {
  const folder = path.join(cacheFolder(), 'images');
  const archive = path.join(folder, `lab-${image.reference.replaceAll(/[/:]/g, '_')}.tar`);
  if ((await stat(archive).catch(() => undefined)) !== undefined) return archive;
  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(path.join(folder, '.work-'));
  try {
    await writeImage(image, work);
    await rename(path.join(work, 'image.tar'), archive);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return archive;
}

/** Writes `image` as a Docker archive of one layer: manifest.json, config.json, layer.tar. */
async function writeImage({ reference, program, at, links = [], files = [] }: LabImage, work: string): Promise<void> {
  const root = path.join(work, 'root');
  const target = path.join(root, at);
  await mkdir(path.dirname(target), { recursive: true });
  await mkdir(path.join(root, 'tmp'), { mode: 0o1777 });
  await copyFile(program, target);
  for (const file of files) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await copyFile(file, path.join(root, file));
  }
  for (const link of links) await symlink(path.basename(at), path.join(root, link)).catch(() => undefined);
  const fixed = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  await run(['tar', ...fixed, '-C', root, '-cf', path.join(work, 'layer.tar'), '.']);
  const layer = createHash('sha256')
    .update(await readFile(path.join(work, 'layer.tar')))
    .digest('hex');
  const start = links.length === 0 ? { Entrypoint: [`/${at}`] } : { Cmd: ['/bin/sh'] };
  const config = {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { ...start, Env: ['PATH=/usr/local/bin:/usr/bin:/bin'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${layer}`] },
  };
  await writeFile(path.join(work, 'config.json'), JSON.stringify(config));
  const manifest = [{ Config: 'config.json', RepoTags: [reference], Layers: ['layer.tar'] }];
  await writeFile(path.join(work, 'manifest.json'), JSON.stringify(manifest));
  const parts = ['manifest.json', 'config.json', 'layer.tar'];
  await run(['tar', ...fixed, '-C', work, '-cf', path.join(work, 'image.tar'), ...parts]);
}
