import test from 'ava';
import fc from 'fast-check';
import { parse } from 'smol-toml';

import { featuresOf, parseContainerdVersion, versionFromNodeInfo } from '../../daemonset/containerd.ts';
import {
  dialledHosts,
  hostFolder,
  hostsTomlFiles,
  type MirrorSettings,
  SITE_REGISTRY,
} from '../../daemonset/hosts-toml.ts';

const settings = (version: string): MirrorSettings => ({
  registryAddress: '10.96.0.20',
  caFile: '/var/lib/sealift/site-ca.pem',
  features: featuresOf(parseContainerdVersion(version)),
});

function fileOf(host: string, version = '2.2.0'): string {
  return hostsTomlFiles([host], settings(version)).get(`${hostFolder(host)}/hosts.toml`) ?? '';
}

test('a host leads to its own repositories in the site registry, and nowhere else', (t) => {
  const url = 'https://10.96.0.20/v2/ghcr.io';
  t.deepEqual(dialledHosts(fileOf('ghcr.io')), [url, url]);
  const file = parse(fileOf('ghcr.io')) as { host: Record<string, unknown> };
  const options = {
    capabilities: ['pull', 'resolve', 'referrers'],
    ca: '/var/lib/sealift/site-ca.pem',
    override_path: true,
    dial_timeout: '250ms',
  };
  t.deepEqual(file, { server: url, ...options, host: { [url]: options } });
});

test('the site registry itself has no host before its repositories', (t) => {
  t.is(dialledHosts(fileOf(SITE_REGISTRY))[0], 'https://10.96.0.20/v2');
});

test("Sealift's own images and every unlisted host are always covered", (t) => {
  const files = hostsTomlFiles([], settings('2.2.0'));
  t.deepEqual(
    [...files.keys()],
    [
      'registry.sealift-system.svc.cluster.local/hosts.toml',
      'registry.sealift.internal/hosts.toml',
      '_default/hosts.toml',
    ],
  );
});

test('an unlisted host meets a refusal that says why', (t) => {
  const refusing = hostsTomlFiles([], settings('1.6.20')).get('_default/hosts.toml') ?? '';
  const url = 'https://127.0.0.1:1/this-registry-is-not-mirrored-on-this-site';
  t.deepEqual(dialledHosts(refusing), [url, url]);
});

for (const [version, dialTimeout, referrers] of [
  ['1.6.20~ds1', false, false],
  ['1.7.27', false, false],
  ['2.0.5', false, false],
  ['2.1.0-rc.1', false, false],
  ['2.1.0', true, false],
  ['2.1.4-k3s1', true, false],
  ['2.2.0-beta.2', true, false],
  ['2.2.0', true, true],
  ['v2.4.2', true, true],
  ['3.0.0', true, true],
  ['unknown', false, false],
] as const) {
  test(`containerd ${version} is given nothing that it doesn't know`, (t) => {
    t.deepEqual(featuresOf(parseContainerdVersion(version)), { dialTimeout, referrers });
    t.is(fileOf('ghcr.io', version).includes('dial_timeout'), dialTimeout);
    t.is(fileOf('ghcr.io', version).includes('referrers'), referrers);
  });
}

test("the version is read from a node's status", (t) => {
  const expected = { major: 1, minor: 6, patch: 20, prerelease: false };
  t.deepEqual(versionFromNodeInfo('containerd://1.6.20~ds1'), expected);
  t.is(versionFromNodeInfo('cri-o://1.30.0'), undefined);
});

test('a host with a port takes the folder that containerd looks at first', (t) => {
  t.is(hostFolder('localhost:5000'), 'localhost_5000_');
  t.is(hostFolder('[::1]:5000'), '[::1]_5000_');
  t.is(hostFolder('[::1]'), '[::1]');
});

for (const host of ['', '..', '../etc', 'a/b', 'a b', 'a\nb', '_default', 'x:y', '.', 'a..b', 'a"b']) {
  test(`${JSON.stringify(host)} is refused as a registry host`, (t) => {
    t.throws(() => hostFolder(host), { code: 'HOSTS_TOML_INVALID' });
  });
}

for (const registryAddress of ['', 'https://x', '10.0.0.1/v2', '::1', '10.0.0.1:0', '10.0.0.1:70000', 'a b']) {
  test(`${JSON.stringify(registryAddress)} is refused as the registry's address`, (t) => {
    t.throws(() => hostsTomlFiles([], { ...settings('2.0.0'), registryAddress }), { code: 'REGISTRY_ADDRESS_INVALID' });
  });
}

test('any host that is taken gives a folder of its own below certs.d and a file that reads back', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.domain(), fc.string()), fc.nat(65_535), (name, port) => {
      const host = `${name}:${port}`;
      try {
        hostFolder(host);
      } catch {
        return;
      }
      t.regex(hostFolder(host), /^[^/\\]+$/);
      t.deepEqual(new Set(dialledHosts(fileOf(host))), new Set([`https://10.96.0.20/v2/${host.toLowerCase()}`]));
    }),
  );
});

test('a file that leaves the upstream open is told apart', (t) => {
  t.deepEqual(dialledHosts('[host."https://mirror"]\n'), ['https://mirror', '(the upstream registry)']);
  t.throws(() => dialledHosts('server = '), { code: 'HOSTS_TOML_INVALID' });
});
