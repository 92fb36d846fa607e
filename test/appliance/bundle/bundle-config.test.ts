import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import test from 'ava';
import { loadBundleConfig, parseBundleConfig } from '../../../appliance/bundle/bundle-config.ts';
import { temporaryFolder } from '../../mirror/support/world.ts';

const LEAST = { schemaVersion: 1, signing: { keyFile: 'k', passphrase: { from: 'env', name: 'P' } } };

test('the least configuration is taken, all else has a default', (t) => {
  const config = parseBundleConfig(LEAST, 'test');
  t.deepEqual([config.images, config.charts, config.policies, config.registries], [[], [], [], { mirrors: {} }]);
});

test('files are relative to the configuration', async (t) => {
  const folder = await temporaryFolder(t);
  const file = path.join(folder, 'bundle.yaml');
  await writeFile(
    file,
    [
      'schemaVersion: 1',
      'stack: charts',
      'charts: [{ path: my/chart.tgz }]',
      'policies: [p.yaml]',
      'upstream: [{ domain: sigstore.dev, url: "https://tuf-repo-cdn.sigstore.dev", root: root.json }]',
      'helm: { linux/amd64: bin/helm }',
      'executables: { linux/amd64: /opt/sealift }',
      'registries: { caFile: ca.pem, configFile: config.json }',
      'signing: { keyFile: k.pem, passphrase: { from: file, path: pass } }',
    ].join('\n'),
  );
  const config = await loadBundleConfig(file);
  t.is(config.stack, path.join(folder, 'charts'));
  t.is(config.charts[0]?.path, path.join(folder, 'my/chart.tgz'));
  t.deepEqual(config.policies, [path.join(folder, 'p.yaml')]);
  t.is(config.upstream[0]?.root, path.join(folder, 'root.json'));
  t.deepEqual(config.helm, { 'linux/amd64': path.join(folder, 'bin/helm') });
  t.deepEqual(config.executables, { 'linux/amd64': '/opt/sealift' });
  t.is(config.registries.caFile, path.join(folder, 'ca.pem'));
  t.deepEqual(config.signing, {
    keyFile: path.join(folder, 'k.pem'),
    passphrase: { from: 'file', path: path.join(folder, 'pass') },
  });
});

for (const [what, change, message] of [
  ['an unknown field', { image: [] }, /image: there is no such field/],
  ['an unknown field below', { registries: { mirror: {} } }, /registries\.mirror: there is no such field/],
  ['a reference that is none', { images: ['a b'] }, /images\.0: expected an image reference/],
  ['a platform that is none', { platforms: ['amd64'] }, /platforms\.0: expected os\/architecture/],
  [
    'a mirror that is no URL',
    { registries: { mirrors: { 'ghcr.io': 'localhost' } } },
    /registries\.mirrors\.ghcr\.io: expected an http/,
  ],
  [
    'a mirror of no host',
    { registries: { mirrors: { 'a/b': 'http://x' } } },
    /registries\.mirrors\.a\/b: expected a registry host/,
  ],
  ['a missing key', { signing: undefined }, /signing: expected object/],
  ['a text where a list is needed', { images: 'nginx' }, /images: expected array/],
  ['another version', { schemaVersion: 2 }, /schemaVersion: expected 1/],
  ['a helm without a platform', { helm: './helm' }, /helm: expected record/],
] as const) {
  test(`${what} is refused, with its path and what is expected`, (t) => {
    const error = t.throws(() => parseBundleConfig({ ...LEAST, ...change }, 'bundle.yaml'), { code: 'CONFIG_INVALID' });
    t.regex(error.message, message);
    t.like(error, { exitCode: 2 });
  });
}

test('a file that is not there, or not YAML, is told apart', async (t) => {
  const folder = await temporaryFolder(t);
  await t.throwsAsync(loadBundleConfig(path.join(folder, 'none.yaml')), { code: 'CONFIG_MISSING' });
  await writeFile(path.join(folder, 'bad.yaml'), '{');
  await t.throwsAsync(loadBundleConfig(path.join(folder, 'bad.yaml')), { code: 'CONFIG_INVALID' });
});
