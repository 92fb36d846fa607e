import test from 'ava';

import { formatImageReference } from '../../../appliance/kernel/image-reference.ts';
import { readImage } from '../../../appliance/webhook/read-image.ts';

for (const [text, read] of [
  ['nginx', 'docker.io/library/nginx:latest'],
  ['ghcr.io/a/b:V1', 'ghcr.io/a/b:V1'],
  ['GHCR.io/a/b:1', 'ghcr.io/a/b:1'],
  ['INDEX.Docker.IO/nginx:1', 'docker.io/library/nginx:1'],
  ['Docker.io/a/b', 'docker.io/a/b:latest'],
  ['Registry:5000/a', 'registry:5000/a:latest'],
] as const) {
  test(`${text} is ${read}`, (t) => {
    t.is(formatImageReference(readImage(text)), read);
  });
}

for (const text of ['', 'ghcr.io./a', 'ghcr.io/A', 'a b', 'ghcr.io/a@sha512:00', 'https://ghcr.io/a']) {
  test(`${JSON.stringify(text)} is no image`, (t) => {
    t.throws(() => readImage(text), { code: 'REFERENCE_INVALID' });
  });
}
