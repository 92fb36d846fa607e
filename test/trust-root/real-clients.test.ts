import { spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';

import test, { type ExecutionContext } from 'ava';
import { Updater } from 'tuf-js';

import { systemClock } from '../../appliance/kernel/clock.ts';
import { cacheFolder } from '../../scripts/lab/cache.ts';
import type { KeyAlgorithm } from '../../trust-root/keys.ts';
import { publishTargets } from '../../trust-root/publish.ts';
import { loadRepository } from '../../trust-root/repository-state.ts';
import { FileRepositoryStore } from '../../trust-root/repository-store-files.ts';
import { siteTargets } from '../../trust-root/site-targets.ts';
import { type RepositoryServer, serveRepository } from './world/repository-server.ts';
import { type RepositoryWorld, repositoryKeys, repositoryWorld } from './world/repository-world.ts';
import { signingServices, siteTrust } from './world/site-trust.ts';

const PYTHON = process.env['SEALIFT_PYTHON_TUF'] ?? path.join(homedir(), '.cache/sealift/python-tuf/bin/python');

/** A client that nobody here wrote: gives the content of a target, keeping its state in `folder`. */
type RealClient = (folder: string, url: string, target: string) => Promise<string>;

const tufJs: RealClient = async (folder, url, name) => {
  const updater = new Updater({
    metadataDir: folder,
    metadataBaseUrl: url,
    targetDir: folder,
    targetBaseUrl: `${url}targets`,
    config: { fetchRetries: 0 },
  });
  await updater.refresh();
  const target = await updater.getTargetInfo(name);
  if (target === undefined) throw new Error(`tuf-js finds no ${name}`);
  return readFile(await updater.downloadTarget(target), 'utf8');
};

const SCRIPT = `
import sys
from tuf.ngclient import Updater
folder, url, name = sys.argv[1:4]
updater = Updater(folder, url, folder, url + "targets/", bootstrap=open(folder + "/bootstrap.json", "rb").read())
info = updater.get_targetinfo(name)
sys.stdout.write(open(updater.download_target(info), encoding="utf8").read())
`;

function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(out);
      else reject(new Error(`${program}: ${errors}${out}`));
    });
  });
}

const pythonTuf: RealClient = (folder, url, name) => run(PYTHON, ['-c', SCRIPT, folder, url, name]);

const goTuf =
  (program: string): RealClient =>
  async (folder, url, name) => {
    const cwd = path.join(folder, 'go');
    if (!(await exists(cwd))) {
      await mkdir(cwd);
      await copyFile(path.join(folder, 'bootstrap.json'), path.join(cwd, 'root.json'));
      await run(program, ['init', '--url', url, '--file', 'root.json'], { cwd });
    }
    await run(program, ['get', '--url', url, '--turl', `${url}targets`, name], { cwd });
    return newest(cwd);
  };

/** What the client put down last, wherever below its folder. */
async function newest(folder: string): Promise<string> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter(
    (entry) => entry.isFile() && entry.name !== 'root.json' && !entry.parentPath.includes('metadata'),
  );
  const dated = await Promise.all(
    files.map(async ({ parentPath, name }) => {
      const file = path.join(parentPath, name);
      return { file, changed: (await stat(file)).mtimeMs };
    }),
  );
  dated.sort((a, b) => b.changed - a.changed);
  return readFile(dated[0]?.file ?? '', 'utf8');
}

const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  );

/** A program that the lab has built, by the start of its name; `undefined` when the lab was never built here. */
async function labProgram(name: string): Promise<string | undefined> {
  const folder = path.join(cacheFolder(), 'bin');
  const found = (await readdir(folder).catch(() => [])).find((file) => file.startsWith(`${name}-v`));
  return found === undefined ? undefined : path.join(folder, found);
}

interface Following {
  readonly world: RepositoryWorld;
  readonly server: RepositoryServer;
  readonly folder: string;
}

async function following(t: ExecutionContext, algorithm: KeyAlgorithm): Promise<Following> {
  // Real clients read the machine's clock.
  const world = await repositoryWorld({ algorithm, targets: { 'trusted_root.json': 'one' }, start: systemClock.now() });
  await world.siteState({ 'site-state/evidence-index.json': 'index' });
  const server = await serveRepository(world.store);
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-client-'));
  await writeFile(path.join(folder, 'root.json'), world.root);
  await mkdir(path.join(folder, 'kept'));
  await copyFile(path.join(folder, 'root.json'), path.join(folder, 'bootstrap.json'));
  t.teardown(async () => {
    await server.close();
    await rm(folder, { recursive: true });
  });
  return { world, server, folder };
}

async function followsEveryRotation(t: ExecutionContext, client: RealClient, algorithm: KeyAlgorithm): Promise<void> {
  const { world, server, folder } = await following(t, algorithm);
  t.is(await client(folder, server.url, 'trusted_root.json'), 'one');
  t.is(await client(folder, server.url, 'site-state/evidence-index.json'), 'index');
  const fresh = repositoryKeys(algorithm);
  for (const role of ['root', 'targets', 'snapshot', 'timestamp', 'upstream', 'siteState'] as const) {
    await world.rotate({ [role]: fresh[role] });
    await world.publish({ 'trusted_root.json': `after ${role}` });
    t.is(await client(folder, server.url, 'trusted_root.json'), `after ${role}`);
  }
  await world.siteState({ 'site-state/evidence-index.json': 'new index' });
  t.is(await client(folder, server.url, 'site-state/evidence-index.json'), 'new index');
}

for (const algorithm of ['p256', 'ed25519'] as const) {
  test(`tuf-js follows a ${algorithm} repository through a rotation of every role`, (t) =>
    followsEveryRotation(t, tufJs, algorithm));

  test(`python-tuf follows a ${algorithm} repository through a rotation of every role`, async (t) => {
    if (!(await exists(PYTHON))) {
      const folder = path.dirname(path.dirname(PYTHON));
      t.log(`skipped: python3 -m venv ${folder} && ${folder}/bin/pip install tuf==7.0.1 'securesystemslib[crypto]'`);
      t.pass();
      return;
    }
    await followsEveryRotation(t, pythonTuf, algorithm);
  });
  test(`go-tuf follows a ${algorithm} repository through a rotation of every role`, async (t) => {
    const program = await labProgram('tuf-client');
    if (program === undefined) {
      t.log('skipped: no go-tuf client; npm run lab:up builds it');
      t.pass();
      return;
    }
    await followsEveryRotation(t, goTuf(program), algorithm);
  });
}

for (const scheme of ['http', 'file'] as const) {
  test(`cosign initialises from the repository over ${scheme}, after a rotation of every role`, async (t) => {
    const cosign = await labProgram('cosign');
    if (cosign === undefined) {
      t.log('skipped: no cosign; npm run lab:up builds it');
      t.pass();
      return;
    }
    const { world, server, folder } = await following(t, 'p256');
    const set = siteTargets({ trustedRoot: await siteTrust(), signingConfig: signingServices });
    const state = await loadRepository(world.store);
    await publishTargets(world.context, state, { change: { set }, signers: world.keys.targets.signers });
    const fresh = repositoryKeys('p256');
    for (const role of ['root', 'targets', 'snapshot', 'timestamp', 'upstream', 'siteState'] as const) {
      await world.rotate({ [role]: fresh[role] });
    }
    const copy = path.join(folder, 'repository');
    await new FileRepositoryStore(copy).publish(world.store.snapshot(), { timestampVersion: undefined });
    const mirror = scheme === 'http' ? server.url : `file://${copy}`;
    const env = { ...process.env, HOME: folder, TUF_ROOT: path.join(folder, 'tuf') };
    await run(cosign, ['initialize', '--mirror', mirror, '--root', path.join(folder, 'bootstrap.json')], { env });
    t.true((await readdir(path.join(folder, 'tuf'))).length > 0);
  });
}
