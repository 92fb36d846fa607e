import test from 'ava';
import fc from 'fast-check';

import { parseImageReference } from '../../appliance/kernel/image-reference.ts';
import { endpointOf } from '../../mirror/mirror-map.ts';

const rekor = { host: 'ghcr.io', repository: 'sigstore/rekor/rekor-server' };

test('a host that is not mapped is reached by https under its own name', (t) => {
  t.deepEqual(endpointOf(rekor), { origin: 'https://ghcr.io', path: 'sigstore/rekor/rekor-server' });
  t.deepEqual(endpointOf({ host: 'localhost:5000', repository: 'a' }), { origin: 'https://localhost:5000', path: 'a' });
});

test('Docker Hub is reached at its registry', (t) => {
  t.deepEqual(endpointOf({ host: 'docker.io', repository: 'library/nginx' }), {
    origin: 'https://registry-1.docker.io',
    path: 'library/nginx',
  });
});

test('a path in the map goes before the repository', (t) => {
  t.deepEqual(endpointOf(rekor, { 'ghcr.io': 'http://127.0.0.1:5000/ghcr.io/' }), {
    origin: 'http://127.0.0.1:5000',
    path: 'ghcr.io/sigstore/rekor/rekor-server',
  });
});

test('the star stands for the hosts that are not named, the host before the repository', (t) => {
  const mirrors = { '*': 'https://registry.site', 'quay.io': 'https://quay.site' };
  t.is(endpointOf(rekor, mirrors).path, 'ghcr.io/sigstore/rekor/rekor-server');
  t.deepEqual(endpointOf({ host: 'quay.io', repository: 'a/b' }, mirrors), {
    origin: 'https://quay.site',
    path: 'a/b',
  });
});

for (const base of ['registry.site:5000', 'ftp://a', 'https://user:pw@a', 'https://a?x=1', '']) {
  test(`the base ${JSON.stringify(base)} is refused`, (t) => {
    t.throws(() => endpointOf(rekor, { 'ghcr.io': base }), { code: 'REGISTRY_URL_INVALID' });
  });
}

const component = fc.stringMatching(/^[a-z0-9]{1,8}([._-][a-z0-9]{1,8}){0,2}$/);
const name = fc.record({
  host: fc.oneof(fc.stringMatching(/^[a-z0-9]{1,8}\.[a-z]{2,5}(:[1-9][0-9]{0,3})?$/), fc.constant('docker.io')),
  repository: fc.array(component, { minLength: 2, maxLength: 4 }).map((parts) => parts.join('/')),
});

test('under the star no two repositories share a place, and the place reads back as the repository', (t) => {
  fc.assert(
    fc.property(name, name, (a, b) => {
      const mirrors = { '*': 'https://registry.site' };
      const [left, right] = [endpointOf(a, mirrors), endpointOf(b, mirrors)];
      t.is(left.path === right.path, a.host === b.host && a.repository === b.repository);
      t.is(left.origin, 'https://registry.site');
      const { host, repository } = parseImageReference(left.path);
      t.deepEqual([host, repository], [a.host, a.repository]);
    }),
  );
});

test('a map for other hosts changes nothing', (t) => {
  fc.assert(
    fc.property(name, (a) => {
      t.deepEqual(endpointOf(a, { 'not.this.one': 'http://127.0.0.1:1' }), endpointOf(a));
    }),
  );
});
