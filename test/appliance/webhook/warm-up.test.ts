import test from 'ava';

import type { ImageQuestion } from '../../../appliance/webhook/admission-world.ts';
import { LatestRun, warmUp } from '../../../appliance/webhook/warm-up.ts';
import type { EvidenceIndex, EvidenceItem } from '../../../mirror/evidence-index.ts';
import { testDigest, testWorld } from './support/worlds.ts';

const MANIFEST = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: testDigest('sig'), size: 1 };
const SIGNATURE: EvidenceItem = { source: 'tag', suffix: 'sig', manifest: MANIFEST, blobs: [] };
const image = (repositories: string[], evidence: EvidenceItem[] = [SIGNATURE]) => ({
  mediaType: MANIFEST.mediaType,
  repositories,
  children: [],
  evidence,
});

function indexOf(images: Record<string, ReturnType<typeof image>>): EvidenceIndex {
  const byDigest = Object.entries(images).map(([name, one]) => [testDigest(name), one]);
  return { schemaVersion: 1, images: Object.fromEntries(byDigest) as EvidenceIndex['images'], tags: {} };
}

test('every synced image with evidence is judged under each of its names', async (t) => {
  const asked: ImageQuestion[] = [];
  const index = indexOf({
    a: image(['x.io/a/good', 'y.io/a/good']),
    b: image(['x.io/b/bad']),
    c: image(['x.io/c'], []),
  });
  t.is(await warmUp(testWorld(asked), index, new AbortController().signal), 3);
  t.deepEqual(asked.map(({ reference }) => `${reference.host}/${reference.repository}`).sort(), [
    'x.io/a/good',
    'x.io/b/bad',
    'y.io/a/good',
  ]);
});

test('what can not be decided, and a name that is none, are passed over', async (t) => {
  const index = indexOf({ a: image(['x.io/a/unknown', 'x.io//', 'x.io/a/good']) });
  t.is(await warmUp(testWorld(), index, new AbortController().signal), 1);
});

test('it ends when it is told', async (t) => {
  t.is(await warmUp(testWorld(), indexOf({ a: image(['x.io/a/good']) }), AbortSignal.abort()), 0);
});

test('the latest request is run, one at a time, and ends the run under way', async (t) => {
  const runs: string[] = [];
  const started = Promise.withResolvers<undefined>();
  const run = new LatestRun(async (signal) => {
    runs.push('start');
    started.resolve(undefined);
    if (runs.length === 1) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    runs.push(signal.aborted ? 'ended early' : 'done');
  });
  run.request();
  await started.promise;
  run.request();
  run.request();
  await new Promise((resolve) => setImmediate(resolve));
  t.deepEqual(runs, ['start', 'ended early', 'start', 'done']);
  await run.stop();
});
