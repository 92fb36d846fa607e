import test from 'ava';

import { imagesInWorkload, isWorkloadKind } from '../../../appliance/webhook/images-in-workload.ts';
import { groupKind, podSpec, WORKLOAD_KINDS, workload } from './support/reviews.ts';

const PATHS: Record<string, string> = {
  Pod: '/spec',
  PodTemplate: '/template/spec',
  CronJob: '/spec/jobTemplate/spec/template/spec',
};

for (const kind of WORKLOAD_KINDS) {
  const path = PATHS[kind] ?? '/spec/template/spec';

  test(`${kind}: every container kind and image volume is found, with its pointer`, (t) => {
    const spec = {
      initContainers: [{ name: 'init', image: 'a/init:1' }],
      containers: [
        { name: 'web', image: 'a/web:1' },
        { name: 'side', image: 'a/side:1' },
      ],
      ephemeralContainers: [{ name: 'debug', image: 'a/debug:1' }],
      volumes: [
        { name: 'tmp', emptyDir: {} },
        { name: 'model', image: { reference: 'a/model:1' } },
      ],
    };
    const found = imagesInWorkload(groupKind(kind), workload(kind, spec));
    t.deepEqual(
      found.map(({ image, pointer }) => [image, pointer]),
      [
        ['a/init:1', `${path}/initContainers/0/image`],
        ['a/web:1', `${path}/containers/0/image`],
        ['a/side:1', `${path}/containers/1/image`],
        ['a/debug:1', `${path}/ephemeralContainers/0/image`],
        ['a/model:1', `${path}/volumes/1/image/reference`],
      ],
    );
    t.is(found[1]?.place, `${path.slice(1).replaceAll('/', '.')}.containers[web]`);
  });

  test(`${kind}: one without a pod spec has no image`, (t) => {
    t.deepEqual(imagesInWorkload(groupKind(kind), { metadata: {} }), []);
    t.deepEqual(imagesInWorkload(groupKind(kind), { metadata: {}, spec: null, template: null }), []);
  });
}

test('a container without an image is told, not passed over', (t) => {
  const found = imagesInWorkload(groupKind('Pod'), workload('Pod', { containers: [{ name: 'web' }] }));
  t.like(found[0], { image: '', place: 'spec.containers[web]' });
});

test('a kind of the same name in another group is no workload', (t) => {
  t.false(isWorkloadKind({ group: 'example.com', kind: 'Deployment' }));
  t.throws(() => imagesInWorkload({ group: 'example.com', kind: 'Pod' }, {}), { code: 'KIND_UNKNOWN' });
});

test('names of Object.prototype are no kinds', (t) => {
  t.throws(() => imagesInWorkload({ group: '', kind: '__proto__' }, {}), { code: 'KIND_UNKNOWN' });
});

const MALFORMED: Record<string, unknown> = {
  'containers that are no list': { containers: {} },
  'a container that is no object': { containers: ['a/web:1'] },
  'an image that is no text': { containers: [{ name: 'web', image: 7 }] },
  'volumes that are no list': { volumes: 'x' },
  'an image volume that is no object': { volumes: [{ name: 'model', image: 'a/model:1' }] },
  'more images than are read': { containers: Array.from({ length: 1025 }, () => ({ image: 'a' })) },
};

for (const [what, spec] of Object.entries(MALFORMED)) {
  test(`${what}: refused as malformed`, (t) => {
    t.throws(() => imagesInWorkload(groupKind('Pod'), { spec }), { code: 'OBJECT_MALFORMED' });
  });
}

test('a pod spec of one container gives one image', (t) => {
  t.is(imagesInWorkload(groupKind('Pod'), workload('Pod', podSpec('a/web:1'))).length, 1);
});
