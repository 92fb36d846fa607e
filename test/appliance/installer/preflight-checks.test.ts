import test from 'ava';

import { parseConfig } from '../../../appliance/config/load.ts';
import type { ClusterFacts, NodeFacts } from '../../../appliance/installer/observe.ts';
import { bytesOf } from '../../../appliance/installer/observe.ts';
import { type CheckInput, preflightChecks } from '../../../appliance/installer/preflight-checks.ts';
import { memoryBundle, NOW } from '../../support/installer-world.ts';

const now = new Date(NOW);
const node: NodeFacts = {
  name: 'node-1',
  architecture: 'amd64',
  operatingSystem: 'linux',
  isReady: true,
  hasDiskPressure: false,
  images: [],
  ephemeralStorage: 1e12,
  runtime: 'containerd://1.7.0',
  heardAt: now,
};
const facts: ClusterFacts = {
  server: 'memory:',
  version: { major: 1, minor: 30, text: 'v1.30.0' },
  nodes: [node],
  storageClasses: [{ name: 'standard', isDefault: true, bindsAtOnce: true }],
  issuer: { issuer: 'https://kubernetes.default.svc.cluster.local', jwksUri: 'https://10.0.0.1:6443/openid/v1/jwks' },
  namespaces: [],
};

/** Ids of the checks that fail. */
function failures(change: Partial<ClusterFacts>, config: object = {}): string[] {
  const input: CheckInput = {
    config: parseConfig({ schemaVersion: 1, site: { name: 'a' }, ...config }, 'the test'),
    facts: { ...facts, ...change },
    bundle: memoryBundle(''),
    now,
  };
  return preflightChecks(input)
    .filter(({ outcome }) => outcome === 'fail')
    .map(({ id }) => id);
}

const cases: readonly (readonly [string, Partial<ClusterFacts>, string[]])[] = [
  ['Kubernetes 1.29', { version: { major: 1, minor: 29, text: 'v1.29.9' } }, ['version']],
  ['no nodes', { nodes: [] }, ['nodes']],
  ['a node that is not ready', { nodes: [{ ...node, isReady: false }] }, ['nodes']],
  [
    'a node of an architecture that the bundle lacks',
    { nodes: [{ ...node, architecture: 'arm64' }] },
    ['architectures'],
  ],
  ['no default storage class', { storageClasses: [] }, ['storage']],
  ['a full disk', { nodes: [{ ...node, hasDiskPressure: true }] }, ['space']],
  ['a disk smaller than the images', { nodes: [{ ...node, ephemeralStorage: 10 }] }, ['space']],
  ['another runtime', { nodes: [{ ...node, runtime: 'cri-o://1.30' }] }, ['runtime']],
  ['a node whose clock is ahead', { nodes: [{ ...node, heardAt: new Date(now.getTime() + 60_000) }] }, ['clocks']],
  ['a node that is behind', { nodes: [{ ...node, heardAt: new Date(now.getTime() - 300_000) }] }, ['clocks']],
  ['no issuer', { issuer: undefined }, ['issuer']],
  ['an issuer that is no URL', { issuer: { issuer: 'kubernetes/serviceaccount', jwksUri: '' } }, ['issuer']],
];

test('a sound cluster passes', (t) => {
  t.deepEqual(failures({}), []);
});

for (const [what, change, expected] of cases) {
  test(`${what} is refused`, (t) => {
    t.deepEqual(failures(change), expected);
  });
}

test('asking the issuer directly is refused when its keys lie on another host, as Fulcio would refuse them', (t) => {
  t.deepEqual(failures({}, { issuer: { mode: 'direct' } }), ['issuer']);
});

test('an issuer with a port of its own can not be relayed', (t) => {
  const issuer = { issuer: 'https://issuer.example:8443', jwksUri: 'https://10.0.0.1/jwks' };
  t.deepEqual(failures({ issuer }), ['issuer']);
});

test('quantities are read as Kubernetes writes them', (t) => {
  t.deepEqual(['10Gi', '1500', '2k', '7x', undefined].map(bytesOf), [10 * 2 ** 30, 1500, 2000, undefined, undefined]);
});
