import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';

import { execa } from 'execa';

import { ensureImages } from '../images/ensure-images.ts';
import { bundleCli } from './bundle-cli.ts';
import { ARCHITECTURES, makeExecutable, sha256OfFile } from './executable.ts';

const root = path.resolve(import.meta.dirname, '..', '..');
const out = path.join(root, 'build');

const USAGE = `npm run build [-- --arch x64|arm64|all] [--no-image]
  dist/             the sources compiled to JavaScript
  build/sealift.cjs the command line in one file
  build/sealift-linux-<arch>  one self-contained executable per architecture
  build/image/      Sealift's own container image, an OCI image layout (made of Debian's packages; needs apt)
  build/SHA256SUMS`;

async function pinnedNodeVersion(): Promise<string> {
  const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as {
    devDependencies: Record<string, string>;
  };
  return manifest.devDependencies['node'] ?? process.versions.node;
}

async function step<T>(title: string, run: () => Promise<T>): Promise<T> {
  const started = Date.now();
  const result = await run();
  console.log(`${title} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  return result;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      arch: { type: 'string', default: 'all' },
      'no-image': { type: 'boolean', default: false },
      help: { type: 'boolean' },
    },
  });
  const wanted = ARCHITECTURES.filter((arch) => values.arch === 'all' || values.arch === arch);
  if (values.help === true || wanted.length === 0) {
    console.log(USAGE);
    return values.help === true ? 0 : 2;
  }
  await step('dist/', async () => {
    await rm(path.join(root, 'dist'), { recursive: true, force: true });
    await execa(path.join(root, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.build.json'], {
      cwd: root,
      stdout: 'inherit',
    });
  });
  const script = path.join(out, 'sealift.cjs');
  await step('build/sealift.cjs', () => bundleCli(root, script));
  const nodeVersion = await pinnedNodeVersion();
  const sums: string[] = [];
  for (const arch of wanted) {
    const name = `sealift-linux-${arch}`;
    const outFile = path.join(out, name);
    await step(`build/${name}`, () => makeExecutable({ root, script, arch, outFile, nodeVersion }));
    sums.push(`${await sha256OfFile(outFile)}  ${name}`);
  }
  if (!values['no-image']) {
    await step('build/image', async () => {
      const built = await ensureImages(['sealift'], { sealiftBundle: script });
      const layout = built.get('sealift')?.layout;
      if (layout === undefined) throw new Error('the image was not built');
      await rm(path.join(out, 'image'), { recursive: true, force: true });
      await cp(layout, path.join(out, 'image'), { recursive: true });
    });
  }
  await writeFile(path.join(out, 'SHA256SUMS'), `${sums.join('\n')}\n`);
  return 0;
}

process.exitCode = await main();
