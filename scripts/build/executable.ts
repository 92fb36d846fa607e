import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { chmod, copyFile, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';

import { execa } from 'execa';

/** The processors that executables are made for, as Node names them. */
export const ARCHITECTURES = ['x64', 'arm64'] as const;
export type Architecture = (typeof ARCHITECTURES)[number];

// The mark in Node's binary that says whether an application is inside (Node.js documentation, "Single executable applications").
const SEA_FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

/** What one executable is made from. */
export interface ExecutableInput {
  readonly root: string;
  /** The bundled command line, one CommonJS file. */
  readonly script: string;
  readonly arch: Architecture;
  readonly outFile: string;
  /** Exact version of Node, as in package.json. */
  readonly nodeVersion: string;
}

/** Makes a file that holds Node and the program, needs only glibc and libstdc++, and starts the program by itself. */
export async function makeExecutable(input: ExecutableInput): Promise<void> {
  const work = await mkdtemp(path.join(tmpdir(), 'sealift-build-'));
  try {
    const blob = path.join(work, 'sealift.blob');
    const config = path.join(work, 'sea.json');
    const options = {
      main: input.script,
      output: blob,
      disableExperimentalSEAWarning: true,
      // The cache holds machine code of the processor that made it.
      useCodeCache: input.arch === process.arch,
    };
    await writeFile(config, JSON.stringify(options));
    await execa(process.execPath, ['--experimental-sea-config', config], { cwd: work });
    const binary = path.join(work, 'sealift');
    await copyFile(await nodeBinary(input, work), binary);
    await execa(path.join(input.root, 'node_modules', '.bin', 'postject'), [
      binary,
      'NODE_SEA_BLOB',
      blob,
      '--sentinel-fuse',
      SEA_FUSE,
    ]);
    await chmod(binary, 0o755);
    await mkdir(path.dirname(input.outFile), { recursive: true });
    // Another file system may lie between: copy beside the target first, so that the last step is one rename.
    await copyFile(binary, `${input.outFile}.partial`);
    await rename(`${input.outFile}.partial`, input.outFile);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Node's own binary for the architecture: this process's, or the one that the pinned package of the other ships. */
async function nodeBinary({ arch, nodeVersion }: ExecutableInput, work: string): Promise<string> {
  if (arch === process.arch) return process.execPath;
  await execa('npm', ['pack', '--silent', `node-linux-${arch}@${nodeVersion}`], { cwd: work });
  const archive = (await readdir(work)).find((name) => name.endsWith('.tgz'));
  if (archive === undefined) throw new Error(`npm pack left no archive of node-linux-${arch}@${nodeVersion}`);
  await execa('tar', ['-xzf', archive, 'package/bin/node'], { cwd: work });
  return path.join(work, 'package', 'bin', 'node');
}

/** The sha256 of a file, in hex. */
export async function sha256OfFile(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
