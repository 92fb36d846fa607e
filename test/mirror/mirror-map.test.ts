import test from 'ava';
import { endpointOf } from '../../mirror/mirror-map.ts';

const name = { host: 'ghcr.io', repository: 'sigstore/rekor/rekor-server' };

test('a host that is not mapped is reached by https under its own name', (t) => {
  t.deepEqual(endpointOf(name), { origin: 'https://ghcr.io', path: 'sigstore/rekor/rekor-server' });
  t.deepEqual(endpointOf({ host: 'localhost:5000', repository: 'a' }), { origin: 'https://localhost:5000', path: 'a' });
});

test('Docker Hub is reached at its registry', (t) => {
  t.deepEqual(endpointOf({ host: 'docker.io', repository: 'library/nginx' }), {
    origin: 'https://registry-1.docker.io',
    path: 'library/nginx',
  });
});

test('a path in the map goes before the repository', (t) => {
  t.deepEqual(endpointOf(name, { 'ghcr.io': 'http://127.0.0.1:5000/ghcr.io/' }), {
    origin: 'http://127.0.0.1:5000',
    path: 'ghcr.io/sigstore/rekor/rekor-server',
  });
});

test('the star stands for the hosts that are not named, the host before the repository', (t) => {
  const mirrors = { '*': 'https://registry.site', 'quay.io': 'https://quay.site' };
  t.is(endpointOf(name, mirrors).path, 'ghcr.io/sigstore/rekor/rekor-server');
  t.deepEqual(endpointOf({ host: 'quay.io', repository: 'a/b' }, mirrors), {
    origin: 'https://quay.site',
    path: 'a/b',
  });
});

for (const base of ['registry.site:5000', 'ftp://a', 'https://user:pw@a', 'https://a?x=1', '']) {
  test(`the base ${JSON.stringify(base)} is refused`, (t) => {
    t.throws(() => endpointOf(name, { 'ghcr.io': base }), { code: 'REGISTRY_URL_INVALID' });
  });
}
