import test from 'ava';
import fc from 'fast-check';
import {
  enterArgv,
  labLayout,
  NODE_NAMES,
  netnsName,
  nodeAddresses,
  PLACES,
  placeAddress,
  SITE_PLACES,
} from '../../../scripts/lab/layout.ts';

test('all that a lab is made of carries its name', (t) => {
  const layout = labLayout('blue', '/cache');
  t.is(layout.dir, '/cache/labs/blue');
  t.is(layout.cgroup, 'sealift-lab-blue');
  t.deepEqual(
    PLACES.map((place) => netnsName(layout, place)),
    ['blue-op', 'blue-connected', 'blue-cp', 'blue-node-1', 'blue-node-2'],
  );
});

test('a name that could leave its folder or break a command is refused', (t) => {
  for (const name of ['', '..', 'a/b', 'A', '1a', 'a-', 'a b', 'a$b', 'a'.repeat(21)]) {
    t.throws(() => labLayout(name), { code: 'NAME_INVALID' }, JSON.stringify(name));
  }
});

test('whatever name is accepted stays below the labs’ folder', (t) => {
  fc.assert(
    fc.property(fc.string(), (name) => {
      try {
        return labLayout(name, '/cache').dir === `/cache/labs/${name}` && !name.includes('/');
      } catch {
        return true;
      }
    }),
  );
  t.pass();
});

test('no two places share an address', (t) => {
  const addresses = SITE_PLACES.map(placeAddress);
  t.is(new Set(addresses).size, addresses.length);
});

test('each node has pod addresses of its own', (t) => {
  t.deepEqual(
    NODE_NAMES.map((node) => nodeAddresses(node).podCidr),
    ['10.78.1.0/24', '10.78.2.0/24'],
  );
});

test('a node is entered by its network and its mounts', (t) => {
  t.deepEqual(enterArgv(labLayout('blue', '/cache'), 'node-1'), [
    'nsenter',
    '--net=/run/netns/blue-node-1',
    '--mount=/cache/labs/blue/ns/node-1',
    '--',
  ]);
});

test('the operator’s host shares this machine’s files', (t) => {
  t.deepEqual(enterArgv(labLayout('blue', '/cache'), 'operator'), ['nsenter', '--net=/run/netns/blue-op', '--']);
});
