import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

import { clearMock, mockRepo } from '@tufjs/repo-mock';
import test from 'ava';

import { clockAt, systemClock } from '../../appliance/kernel/clock.ts';
import { TufClient } from '../../trust-root/tuf-client.ts';
import { parseRoot } from '../../trust-root/tuf-documents.ts';
import { urlTransport } from '../../trust-root/tuf-transport.ts';
import { TrustedSet } from '../../trust-root/tuf-trusted-set.ts';

test('a repository of @tufjs/repo-mock is followed: one key for all, key ids of its own, no consistent snapshots', async (t) => {
  const url = 'http://tuf.example';
  const root = Buffer.from(mockRepo(url, [{ name: 'a.json', content: Buffer.from('{"a":1}') }]));
  t.teardown(clearMock);
  const transport = urlTransport(new URL(`${url}/metadata`), { targetsUrl: new URL(`${url}/targets`) });
  const client = new TufClient({ transport, clock: systemClock, kept: { roots: [root] }, strictKeyIds: false });
  await client.refresh();
  const target = await client.findTarget('a.json');
  t.is(target === undefined ? '' : (await client.download(target)).toString(), '{"a":1}');
});

test('the public-good root that the npm packages ship is taken as a trusted root', async (t) => {
  const require = createRequire(import.meta.url);
  const sigstore = createRequire(require.resolve('sigstore'));
  const file = sigstore.resolve('@sigstore/tuf').replace(/dist\/.*$/, 'seeds.json');
  const seeds = JSON.parse(await readFile(file, 'utf8')) as Record<string, { 'root.json': string }>;
  const [seed] = Object.values(seeds);
  const root = Buffer.from(seed?.['root.json'] ?? '', 'base64');
  const { version, roles, expires } = parseRoot(root);
  const set = new TrustedSet(root, { now: clockAt(expires).now(), strictKeyIds: false });
  t.true(version >= 10);
  t.is(roles.root.threshold, 3);
  t.throws(() => set.assertRootCurrent(), { code: 'ROLE_EXPIRED' });
});
