import test from 'ava';

import { addedImages } from '../../../appliance/webhook/added-images.ts';
import { createRequest, podSpec, updateRequest, workload } from './support/reviews.ts';
import { testDigest } from './support/worlds.ts';

const deployment = (image: string, metadata = {}) => workload('Deployment', podSpec(image), metadata);
const added = (before: Record<string, unknown>, after: Record<string, unknown>, kind = 'Deployment'): string[] =>
  addedImages(updateRequest(kind, before, after)).map(({ image }) => image);

test('a CREATE adds all its images', (t) => {
  t.deepEqual(
    addedImages(createRequest('Deployment', deployment('a:1'))).map(({ image }) => image),
    ['a:1'],
  );
});

test('an UPDATE that keeps its images adds none', (t) => {
  t.deepEqual(added(deployment('a:1'), deployment('a:1', { labels: { x: 'y' } })), []);
});

test('an UPDATE to another tag adds it', (t) => {
  t.deepEqual(added(deployment('a:1'), deployment('a:2')), ['a:2']);
});

test('a deletion timestamp does not let a new image in', (t) => {
  t.deepEqual(added(deployment('a:1'), deployment('evil:1', { deletionTimestamp: '2026-01-01T00:00:00Z' })), [
    'evil:1',
  ]);
});

test('finalizers can be taken off an object that is being deleted', (t) => {
  const metadata = { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['x'] };
  t.deepEqual(added(deployment('a:1', metadata), deployment('a:1', { ...metadata, finalizers: [] })), []);
});

test('fewer replicas with another image still add it', (t) => {
  const before = { ...deployment('a:1'), spec: { replicas: 3, template: { spec: podSpec('a:1') } } };
  const after = { ...deployment('a:1'), spec: { replicas: 1, template: { spec: podSpec('evil:1') } } };
  t.deepEqual(added(before, after), ['evil:1']);
});

test('the same tag in a new container is an image added: it may have moved', (t) => {
  const after = workload('Pod', podSpec('a:1', { ephemeralContainers: [{ name: 'debug', image: 'a:1' }] }));
  t.deepEqual(added(workload('Pod', podSpec('a:1')), after, 'Pod'), ['a:1']);
});

test('the same digest in a new container is no image added', (t) => {
  const image = `a@${testDigest('a')}`;
  const after = workload('Pod', podSpec(image, { ephemeralContainers: [{ name: 'debug', image }] }));
  t.deepEqual(added(workload('Pod', podSpec(image)), after, 'Pod'), []);
});

test('containers in another order add nothing', (t) => {
  const containers = [
    { name: 'x', image: 'x:1' },
    { name: 'y', image: 'y:1' },
  ];
  const before = workload('Deployment', { containers });
  t.deepEqual(added(before, workload('Deployment', { containers: containers.toReversed() })), []);
});

test('DELETE and CONNECT add nothing', (t) => {
  for (const operation of ['DELETE', 'CONNECT'] as const) {
    t.deepEqual(addedImages(createRequest('Pod', {}, { operation, object: null })), []);
  }
});

test('a CREATE without an object is malformed', (t) => {
  t.throws(() => addedImages(createRequest('Pod', {}, { object: null })), { code: 'OBJECT_MALFORMED' });
});
