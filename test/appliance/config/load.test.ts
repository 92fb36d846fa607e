import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import test, { type ExecutionContext } from 'ava';

import { ConfigError } from '../../../appliance/config/config-error.ts';
import { loadConfig, parseConfig } from '../../../appliance/config/load.ts';

const least = { schemaVersion: 1, site: { name: 'plant-7' } };

async function fileWith(t: ExecutionContext, content: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-config-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, 'appliance.yaml');
  await writeFile(file, content);
  return file;
}

const invalid = (message: RegExp) => ({ instanceOf: ConfigError, code: 'CONFIG_INVALID', message });

test('the name of the site is enough', (t) => {
  const config = parseConfig(least, 'x');
  t.like(config, {
    site: { clusterDomain: 'cluster.local' },
    registry: { kind: 'internal', size: '20Gi' },
    acceptance: true,
  });
  t.deepEqual(config.keys.root, { keys: 1, threshold: 1 });
});

test('a field that is not known is refused with its path', (t) => {
  t.throws(
    () => parseConfig({ ...least, storage: { clasName: 'x' } }, 'x'),
    invalid(/storage\.clasName: there is no such field/),
  );
});

test('a value of another type is refused with the one that is expected', (t) => {
  t.throws(() => parseConfig({ ...least, acceptance: 'yes' }, 'x'), invalid(/acceptance: expected boolean/));
});

test('a value outside of a choice is refused with the choices', (t) => {
  t.throws(
    () => parseConfig({ ...least, issuer: { mode: 'magic' } }, 'x'),
    invalid(/issuer\.mode: expected auto or relay or direct/),
  );
});

test('a malformed size is refused with an example', (t) => {
  t.throws(
    () => parseConfig({ ...least, storage: { database: '5 GB' } }, 'x'),
    invalid(/storage\.database: a size such as 20Gi/),
  );
});

test('the age that upstream trust may have is set by trust domain', (t) => {
  const rules = { 'sigstore.dev': { maxAgeDays: 180, onStale: 'warn' } };
  t.deepEqual(parseConfig({ ...least, trust: { staleness: rules } }, 'x').trust.staleness, rules as object);
  t.deepEqual(parseConfig(least, 'x').trust.staleness, {});
});

for (const [what, staleness, message] of [
  [
    'for the site itself',
    { site: { maxAgeDays: 1, onStale: 'warn' } },
    /trust\.staleness\.site: the name of an upstream/,
  ],
  ['for no name', { 'a b': { maxAgeDays: 1, onStale: 'warn' } }, /the name of an upstream, such as sigstore\.dev/],
  ['without a consequence', { 'a.dev': { maxAgeDays: 1 } }, /onStale: expected warn or deny/],
  ['of no days', { 'a.dev': { maxAgeDays: 0, onStale: 'deny' } }, /trust\.staleness\.a\.dev\.maxAgeDays/],
] as const) {
  test(`a rule on ages ${what} is refused`, (t) => {
    t.throws(() => parseConfig({ ...least, trust: { staleness } }, 'x'), invalid(message));
  });
}

test('a threshold above the number of keys is refused', (t) => {
  const keys = { root: { keys: 2, threshold: 3 } };
  t.throws(() => parseConfig({ ...least, keys }, 'x'), invalid(/keys\.root\.threshold: at most as many/));
});

test('every wrong field is named at once', (t) => {
  t.throws(() => parseConfig({ schemaVersion: 2, site: {} }, 'x'), invalid(/schemaVersion: .*\n.*site\.name: /));
});

test('a file that is not there is named', async (t) => {
  await t.throwsAsync(loadConfig('/nonexistent/appliance.yaml'), { instanceOf: ConfigError, code: 'CONFIG_MISSING' });
});

test('a file that is no YAML is refused', async (t) => {
  await t.throwsAsync(loadConfig(await fileWith(t, 'a: [')), invalid(/not YAML/));
});

test('file names are relative to the file', async (t) => {
  const file = await fileWith(
    t,
    'schemaVersion: 1\nsite: { name: a }\nkeys: { passphrase: { from: file, path: pass } }\n',
  );
  const { keys } = await loadConfig(file);
  t.deepEqual(keys.passphrase, { from: 'file', path: path.join(path.dirname(file), 'pass') });
  t.is(keys.stateDir, path.join(path.dirname(file), 'sealift-keys'));
});
