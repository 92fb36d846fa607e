import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import test, { type ExecutionContext } from 'ava';

import { HOSTS_RECORD, hostsAreWritten, restoreHosts, writeHosts } from '../../daemonset/containerd-hosts.ts';
import { type HostFiles, hostFiles } from '../../daemonset/host-files.ts';
import { hostsTomlFiles } from '../../daemonset/hosts-toml.ts';

async function world(t: ExecutionContext) {
  const base = await mkdtemp(path.join(tmpdir(), 'sealift-hosts-'));
  t.teardown(async () => await rm(base, { recursive: true, force: true }));
  const certsRoot = path.join(base, 'etc/containerd/certs.d');
  await mkdir(certsRoot, { recursive: true });
  const folders = { certs: hostFiles(certsRoot), state: hostFiles(path.join(base, 'var/lib/sealift')) };
  const put = async (name: string, content: string): Promise<void> => {
    await mkdir(path.dirname(path.join(certsRoot, name)), { recursive: true });
    await writeFile(path.join(certsRoot, name), content);
  };
  return {
    base,
    certsRoot,
    folders,
    put,
    text: async (name: string) => await readFile(path.join(certsRoot, name), 'utf8'),
  };
}

const wanted = (...hosts: string[]): Map<string, string> =>
  hostsTomlFiles(hosts, {
    registryAddress: '10.96.0.20',
    caFile: '/var/lib/sealift/site-ca.pem',
    features: { dialTimeout: false, referrers: false },
  });

test('the second run writes nothing', async (t) => {
  const { folders } = await world(t);
  t.is((await writeHosts(folders, wanted('ghcr.io'))).changed.length, 4);
  t.deepEqual(await writeHosts(folders, wanted('ghcr.io')), { changed: [], foreign: [] });
  t.true(await hostsAreWritten(folders.certs, wanted('ghcr.io')));
});

test('a file that was changed or taken away is put back', async (t) => {
  const { folders, put, certsRoot } = await world(t);
  await writeHosts(folders, wanted('ghcr.io'));
  await put('ghcr.io/hosts.toml', 'server = "https://ghcr.io"\n');
  await rm(path.join(certsRoot, '_default'), { recursive: true });
  t.deepEqual((await writeHosts(folders, wanted('ghcr.io'))).changed, ['ghcr.io/hosts.toml', '_default/hosts.toml']);
  t.true(await hostsAreWritten(folders.certs, wanted('ghcr.io')));
});

test('uninstall restores what was there and removes what was not', async (t) => {
  const { folders, put, text, certsRoot } = await world(t);
  await put('docker.io/hosts.toml', 'server = "https://vendor"\n');
  await put('docker.io/ca.crt', 'kept');
  await writeHosts(folders, wanted('docker.io', 'ghcr.io'));
  await writeHosts(folders, wanted('docker.io', 'ghcr.io', 'quay.io'));
  t.deepEqual(await restoreHosts(folders), []);
  t.is(await text('docker.io/hosts.toml'), 'server = "https://vendor"\n');
  t.is(await text('docker.io/ca.crt'), 'kept');
  t.deepEqual(await readdir(certsRoot), ['docker.io']);
  t.is(await folders.state.read(HOSTS_RECORD), undefined);
});

test('uninstall leaves a file that someone changed, and says so', async (t) => {
  const { folders, put, text } = await world(t);
  await writeHosts(folders, wanted('ghcr.io'));
  await put('ghcr.io/hosts.toml', 'mine');
  t.deepEqual(await restoreHosts(folders), ['ghcr.io/hosts.toml']);
  t.is(await text('ghcr.io/hosts.toml'), 'mine');
});

test('a host that is no longer mirrored goes back to what it was', async (t) => {
  const { folders, put, text, certsRoot } = await world(t);
  await put('quay.io/hosts.toml', 'original');
  await writeHosts(folders, wanted('quay.io', 'ghcr.io'));
  await writeHosts(folders, wanted());
  t.is(await text('quay.io/hosts.toml'), 'original');
  t.false((await readdir(certsRoot)).includes('ghcr.io'));
});

test('the folder of a registry that Sealift was not told of is reported and left', async (t) => {
  const { folders, put, text } = await world(t);
  await put('registry.example.com/hosts.toml', 'vendor');
  t.deepEqual((await writeHosts(folders, wanted('ghcr.io'))).foreign, ['registry.example.com']);
  t.is(await text('registry.example.com/hosts.toml'), 'vendor');
});

test('a file of an install whose record is gone is not taken for an original', async (t) => {
  const { folders, certsRoot } = await world(t);
  await writeHosts(folders, wanted('ghcr.io'));
  await folders.state.remove(HOSTS_RECORD);
  await writeHosts(folders, wanted('ghcr.io'));
  t.deepEqual(await restoreHosts(folders), []);
  t.deepEqual(await readdir(certsRoot), []);
});

test('a crash after any one write loses no original', async (t) => {
  for (let crashAt = 0; crashAt < 9; crashAt += 1) {
    const { folders, put, text } = await world(t);
    await put('docker.io/hosts.toml', 'original');
    const budget = { left: crashAt };
    const dying = { certs: dyingAfter(folders.certs, budget), state: dyingAfter(folders.state, budget) };
    await writeHosts(dying, wanted('docker.io')).catch(() => undefined);
    await writeHosts(folders, wanted('docker.io'));
    t.deepEqual(await restoreHosts(folders), [], `crash after ${crashAt} writes`);
    t.is(await text('docker.io/hosts.toml'), 'original');
  }
});

test('a crash while files are rewritten for a new registry address still restores', async (t) => {
  for (let crashAt = 0; crashAt < 9; crashAt += 1) {
    const { folders, put, text } = await world(t);
    await put('docker.io/hosts.toml', 'original');
    await writeHosts(folders, wanted('docker.io'));
    const moved = new Map([...wanted('docker.io')].map(([name, content]) => [name, content.replaceAll('.20', '.21')]));
    const budget = { left: crashAt };
    const dying = { certs: dyingAfter(folders.certs, budget), state: dyingAfter(folders.state, budget) };
    await writeHosts(dying, moved).catch(() => undefined);
    t.deepEqual(await restoreHosts(folders), [], `crash after ${crashAt} writes`);
    t.is(await text('docker.io/hosts.toml'), 'original');
  }
});

for (const name of ['../outside', '/etc/passwd', 'a//b', './a', 'a/../../b', '', 'a\0b', '..']) {
  test(`the name ${JSON.stringify(name)} does not leave the host root`, async (t) => {
    const { folders } = await world(t);
    await t.throwsAsync(folders.certs.write(name, 'x'), { code: 'PATH_ESCAPES' });
    await t.throwsAsync(folders.certs.read(name), { code: 'PATH_ESCAPES' });
    await t.throwsAsync(folders.certs.remove(name), { code: 'PATH_ESCAPES' });
  });
}

test('a linked folder is not written through', async (t) => {
  const { folders, base, certsRoot } = await world(t);
  await mkdir(path.join(base, 'elsewhere'));
  await symlink(path.join(base, 'elsewhere'), path.join(certsRoot, 'ghcr.io'));
  await t.throwsAsync(writeHosts(folders, wanted('ghcr.io')), { code: 'PATH_ESCAPES' });
  t.deepEqual(await readdir(path.join(base, 'elsewhere')), []);
});

test('a linked file is neither read nor replaced', async (t) => {
  const { folders, base, certsRoot } = await world(t);
  await writeFile(path.join(base, 'secret'), 'secret');
  await mkdir(path.join(certsRoot, 'ghcr.io'));
  await symlink(path.join(base, 'secret'), path.join(certsRoot, 'ghcr.io/hosts.toml'));
  await t.throwsAsync(folders.certs.read('ghcr.io/hosts.toml'), { code: 'PATH_ESCAPES' });
  await t.throwsAsync(folders.certs.write('ghcr.io/hosts.toml', 'x'), { code: 'PATH_ESCAPES' });
  t.is(await readFile(path.join(base, 'secret'), 'utf8'), 'secret');
});

/** The same files, where every write after the budget's last fails: what a crash leaves. */
function dyingAfter(files: HostFiles, budget: { left: number }): HostFiles {
  const spend = (): void => {
    if (budget.left === 0) throw new Error('crashed');
    budget.left -= 1;
  };
  return {
    ...files,
    write: async (name, content) => {
      spend();
      await files.write(name, content);
    },
    remove: async (name) => {
      spend();
      await files.remove(name);
    },
  };
}
