import { spawn } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** A CNCF distribution registry, running on loopback. */
export interface Distribution {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** The registry program that the lab built, or Debian's, if there is one. */
export async function distributionPrograms(): Promise<Record<string, string>> {
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache');
  const folder = path.join(cache, 'sealift-lab', 'bin');
  const names = await readdir(folder).catch(() => []);
  const built = names
    .filter((name) => name.startsWith('registry-'))
    .sort()
    .at(-1);
  const debian = (await readdir('/usr/bin')).includes('docker-registry') ? '/usr/bin/docker-registry' : undefined;
  return {
    ...(built === undefined ? {} : { 'distribution v3': path.join(folder, built) }),
    ...(debian === undefined ? {} : { "Debian's docker-registry": debian }),
  };
}

/** Starts `program` with its data under `folder`, on a free port; `more` are further lines of its config. */
export async function startDistribution(
  program: string,
  folder: string,
  more: readonly string[] = [],
): Promise<Distribution> {
  const port = await freePort();
  const config = path.join(folder, 'config.yml');
  const text = [
    'version: 0.1',
    'log: {level: error, accesslog: {disabled: true}}',
    `storage: {filesystem: {rootdirectory: ${path.join(folder, 'data')}}, delete: {enabled: true}}`,
    `http: {addr: "127.0.0.1:${port}", secret: "for a test"}`,
    ...more,
  ];
  await writeFile(config, text.join('\n'));
  const child = spawn(program, ['serve', config], {
    stdio: 'ignore',
    env: { PATH: process.env['PATH'], OTEL_TRACES_EXPORTER: 'none' },
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = `http://127.0.0.1:${port}`;
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const answer = await fetch(`${url}/v2/`).catch(() => undefined);
    if (answer?.ok === true) break;
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}`);
    await delay(50);
  }
  return {
    url,
    close: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
