import { spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';

import test, { type ExecutionContext } from 'ava';
import { Updater } from 'tuf-js';

import { systemClock } from '../../appliance/kernel/clock.ts';
import { generateKey, type KeyAlgorithm } from '../../trust-root/keys.ts';
import { keySigner } from '../../trust-root/signer.ts';
import { type RepositoryServer, serveRepository } from './world/repository-server.ts';
import { type RepositoryWorld, repositoryKeys, repositoryWorld } from './world/repository-world.ts';

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

const pythonTuf: RealClient = (folder, url, name) =>
  new Promise((resolve, reject) => {
    const child = spawn(PYTHON, ['-c', SCRIPT, folder, url, name]);
    let out = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(out);
      else reject(new Error(errors));
    });
  });

interface Following {
  readonly world: RepositoryWorld;
  readonly server: RepositoryServer;
  readonly folder: string;
}

async function following(t: ExecutionContext, algorithm: KeyAlgorithm): Promise<Following> {
  const world = await repositoryWorld({ algorithm, targets: { 'trusted_root.json': 'one' } });
  // Real clients read the machine's clock.
  world.clock.set(systemClock.now());
  await world.refresh();
  await world.rotate({ snapshot: keySigner(generateKey(algorithm)) });
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
    if (
      !(await stat(PYTHON).then(
        () => true,
        () => false,
      ))
    ) {
      const folder = path.dirname(path.dirname(PYTHON));
      t.log(
        `skipped: no python-tuf; python3 -m venv ${folder} && ${folder}/bin/pip install tuf==7.0.1 'securesystemslib[crypto]'`,
      );
      t.pass();
      return;
    }
    await followsEveryRotation(t, pythonTuf, algorithm);
  });
}
