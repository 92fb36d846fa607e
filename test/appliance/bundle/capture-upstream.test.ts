import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import test from 'ava';
import { upstreamCapture } from '../../../appliance/bundle/capture-upstream.ts';
import { clockAt } from '../../../appliance/kernel/clock.ts';
import { verifyCapsule } from '../../../trust-root/capsule.ts';
import { serve } from '../../mirror/support/server.ts';
import { temporaryFolder } from '../../mirror/support/world.ts';
import { ForeignRepository } from '../../trust-root/world/foreign-repository.ts';
import { START } from '../../trust-root/world/repository-world.ts';

const DOMAIN = 'sigstore.example';

test("an upstream's trust is captured over HTTP, and its time told for the inventory", async (t) => {
  const upstream = new ForeignRepository({ targets: { 'trusted_root.json': '{"tlogs":[]}' }, now: START });
  await upstream.publish(START);
  const origin = await serve(t, (request, response) => {
    void upstream.store.read(decodeURIComponent((request.url ?? '/').slice(1))).then((bytes) => {
      response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
    });
  });
  const clock = clockAt(START);
  clock.advance(3600_000);
  const root = path.join(await temporaryFolder(t), 'root.json');
  await writeFile(root, await upstream.firstRoot());
  const { bytes, metadata } = await upstreamCapture(clock)({ domain: DOMAIN, url: origin, root });
  t.is(metadata?.['capturedAt'], clock.now().toISOString());
  const asOf = new Date(metadata?.['capturedAt'] ?? '');
  clock.advance(1000 * 86_400_000);
  const checked = await verifyCapsule(bytes, { domain: DOMAIN, asOf, pinnedRoot: await upstream.firstRoot(), clock });
  t.true(checked.targets.has('trusted_root.json'));
});

test('a root that is not there is told by the name of the upstream', async (t) => {
  const clock = clockAt(START);
  const error = await t.throwsAsync(
    upstreamCapture(clock)({ domain: DOMAIN, url: 'http://127.0.0.1:1', root: '/nowhere/root.json' }),
    { code: 'CONFIG_INVALID' },
  );
  t.regex(error.message, /sigstore\.example/);
});
