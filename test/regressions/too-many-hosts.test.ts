// Each first part of a repository's path that looks like a host became a hosts.toml on every node. Some thousand of them
// made the record of what was written larger than what is read back: every node said HostsFailed and was tainted.

import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import test from 'ava';

import { digestOf } from '../../appliance/kernel/digest.ts';
import { silentLog } from '../../appliance/kernel/log.ts';
import { featuresOf } from '../../daemonset/containerd.ts';
import { hostFiles } from '../../daemonset/host-files.ts';
import { MirrorHosts } from '../../daemonset/mirror-hosts.ts';
import type { EvidenceImage, EvidenceIndex } from '../../mirror/evidence-index.ts';
import { MEDIA } from '../../mirror/oci-types.ts';

function image(repository: string): EvidenceImage {
  return { mediaType: MEDIA.ociManifest, repositories: [repository], children: [], evidence: [] };
}

test('made-up hosts are bounded, and do not crowd out the others', async (t) => {
  const base = await mkdtemp(path.join(tmpdir(), 'sealift-hosts-'));
  t.teardown(async () => await rm(base, { recursive: true, force: true }));
  const [certs, state] = [path.join(base, 'certs.d'), path.join(base, 'state')];
  for (const folder of [certs, state]) await mkdir(folder);
  const hosts = new MirrorHosts({
    folders: { certs: hostFiles(certs), state: hostFiles(state) },
    registryAddress: '10.96.0.20',
    caPem: 'the site CA\n',
    hosts: ['docker.io'],
    log: silentLog,
  });
  const names = [
    ...Array.from({ length: 2000 }, (_, number) => `a${number}.example/x`),
    'registry.acme.example/app',
    'registry.acme.example/tool',
  ];
  const images = Object.fromEntries(names.map((name) => [digestOf(name), image(name)])) as EvidenceIndex['images'];
  await hosts.keep({ schemaVersion: 1, images, tags: {} }, featuresOf(undefined));
  const folders = await readdir(certs);
  t.true(folders.length < 600);
  for (const host of ['docker.io', '_default', 'registry.acme.example']) t.true(folders.includes(host));
});
