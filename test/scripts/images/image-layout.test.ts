import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { type Digest, digestOf } from '../../../appliance/kernel/digest.ts';
import type { Image } from '../../../scripts/images/image.ts';
import { ensureImageLayout } from '../../../scripts/images/image-layout.ts';
import type { LayerEntry } from '../../../scripts/images/layer.ts';
import { diskFile, folder, link, textFile } from '../../../scripts/images/layer-files.ts';

const inFolder = test.macro(async (t, body: (t: ExecutionContext, folder: string) => Promise<void>) => {
  const place = await mkdtemp(path.join(tmpdir(), 'sealift-images-'));
  t.teardown(async () => await rm(place, { recursive: true }));
  await body(t, place);
});

function image(entries: readonly LayerEntry[], over: Partial<Image> = {}): Image {
  const config = { user: '65532', entrypoint: ['/bin/app'], exposedPorts: ['8080/tcp'] };
  return {
    reference: 'ghcr.io/acme/app:v1',
    platforms: [{ architecture: 'amd64', config, layers: [entries] }],
    ...over,
  };
}

interface Json {
  readonly [key: string]: unknown;
}

async function blob(layout: string, digest: string): Promise<Json> {
  return JSON.parse(await readFile(path.join(layout, 'blobs/sha256', digest.slice(7)), 'utf8')) as Json;
}

test('the same entries in another order give the same digest', inFolder, async (t, place) => {
  const entries = [textFile('etc/a', 'a'), folder('tmp', { mode: 0o1777 }), link('bin/sh', '/bin/busybox')];
  const one = await ensureImageLayout(image(entries), path.join(place, 'one'));
  const other = await ensureImageLayout(image(entries.toReversed()), path.join(place, 'other'));
  t.is(one.digest, other.digest);
});

test("a file's own time and name on the disk do not show", inFolder, async (t, place) => {
  const [old, young] = [path.join(place, 'old'), path.join(place, 'young')];
  await writeFile(old, 'bytes');
  await writeFile(young, 'bytes');
  await utimes(old, 1, 1);
  const one = await ensureImageLayout(image([await diskFile('bin/app', old)]), path.join(place, 'one'));
  const other = await ensureImageLayout(image([await diskFile('bin/app', young)]), path.join(place, 'other'));
  t.is(one.digest, other.digest);
});

test('every blob lies under its digest', inFolder, async (t, place) => {
  const { layout } = await ensureImageLayout(image([textFile('etc/a', 'a')]), place);
  const blobs = path.join(layout, 'blobs/sha256');
  const names = await readdir(blobs);
  t.is(names.length, 3);
  for (const name of names) t.is(digestOf(await readFile(path.join(blobs, name))), `sha256:${name}` as Digest);
});

test('the config says what the runtime has to do', inFolder, async (t, place) => {
  const { layout, digest } = await ensureImageLayout(image([textFile('etc/a', 'a')]), place);
  const manifest = (await blob(layout, digest)) as { config: { digest: string } };
  t.like(await blob(layout, manifest.config.digest), {
    architecture: 'amd64',
    os: 'linux',
    config: { User: '65532', Entrypoint: ['/bin/app'], ExposedPorts: { '8080/tcp': {} } },
  });
});

test('several platforms become an index', inFolder, async (t, place) => {
  const [amd64] = image([textFile('etc/a', 'a')]).platforms;
  const platforms = amd64 ? [amd64, { ...amd64, architecture: 'arm64' as const }] : [];
  const { layout, digest, mediaType } = await ensureImageLayout(image([], { platforms }), place);
  t.is(mediaType, 'application/vnd.oci.image.index.v1+json');
  const { manifests } = (await blob(layout, digest)) as { manifests: readonly unknown[] };
  t.like(manifests, [{ platform: { architecture: 'amd64' } }, { platform: { architecture: 'arm64' } }]);
});

test('tar unpacks a layer to what was put in, with owners and modes', inFolder, async (t, place) => {
  const entries = [
    textFile('opt/long/'.padEnd(180, 'x'), 'long'),
    textFile('bin/app', 'run', { mode: 0o755, uid: 7, gid: 8 }),
    folder('tmp', { mode: 0o1777 }),
    link('bin/sh', '/bin/busybox'),
  ];
  const { layout, digest } = await ensureImageLayout(image(entries), place);
  const manifest = (await blob(layout, digest)) as { layers: { digest: string }[] };
  const tar = path.join(layout, 'blobs/sha256', manifest.layers[0]?.digest.slice(7) ?? '');
  const { stdout } = await promisify(execFile)('tar', ['--numeric-owner', '--full-time', '-tvf', tar]);
  t.regex(stdout, /^-rwxr-xr-x 7\/8 +3 1970-01-01 00:00:00 bin\/app$/m);
  t.regex(stdout, /^drwxrwxrwt 0\/0 .* tmp\/$/m);
  t.regex(stdout, /^lrwxrwxrwx .* bin\/sh -> \/bin\/busybox$/m);
  t.regex(stdout, /^drwxr-xr-x 0\/0 .* opt\/long\/$/m);
  t.regex(stdout, /opt\/long\/x{171}$/m);
});

test('a layout that is there is not built again', inFolder, async (t, place) => {
  const first = await ensureImageLayout(image([textFile('etc/a', 'a')]), place);
  await writeFile(path.join(first.layout, 'marker'), '');
  await ensureImageLayout(image([textFile('etc/a', 'a')]), place);
  t.true((await readdir(first.layout)).includes('marker'));
});

test('other content is another layout', inFolder, async (t, place) => {
  const one = await ensureImageLayout(image([textFile('etc/a', 'a')]), place);
  const other = await ensureImageLayout(image([textFile('etc/a', 'b')]), place);
  t.not(one.layout, other.layout);
  t.not(one.digest, other.digest);
});

test('only the latest states of an image stay', inFolder, async (t, place) => {
  for (const content of ['a', 'b', 'c', 'd', 'e']) await ensureImageLayout(image([textFile('etc/a', content)]), place);
  t.is((await readdir(place)).length, 3);
});
