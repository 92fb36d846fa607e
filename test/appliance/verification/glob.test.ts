import test from 'ava';
import fc from 'fast-check';

import { parseGlob } from '../../../appliance/verification/glob.ts';
import { matchingPolicies, type WorkloadFacts } from '../../../appliance/verification/match-policy.ts';
import { parsePolicy } from '../../../appliance/verification/policy.ts';
import { keyless, policyDocument } from '../../support/judge.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

function matches(spec: object, image: string, workload?: WorkloadFacts): boolean {
  return matchingPolicies([parsePolicy(policyDocument([keyless()], { spec }))], image, workload).length === 1;
}

const at = (name: string): string => `${name}@${DIGEST}`;

for (const [glob, name, expected] of [
  ['index.docker.io/library/*', 'docker.io/library/foo', true],
  ['docker.io/library/*', 'docker.io/library/foo', true],
  ['index.docker.io/*/*', 'docker.io/library/foo', true],
  ['index.docker.io/**', 'docker.io/user/app', true],
  ['inde**', 'docker.io/user/app', true],
  ['**', 'docker.io/user/app', true],
  ['*', 'docker.io/library/foo', true],
  ['*', 'docker.io/user/app', false],
  ['*', 'ghcr.io/foo', false],
  ['*/*', 'docker.io/user/app', true],
  ['*/*', 'ghcr.io/foo', false],
  ['ghcr.io/*/*', 'ghcr.io/foo/bar', true],
  ['ghcr.io/*/*', 'ghcr.io/foo', false],
  ['ghcr.io/**', 'ghcr.io/foo', true],
  ['ghc**', 'ghcr.io/foo', true],
  ['*/**', 'ghcr.io/foo', true],
  ['ghcr.io/foo*', 'ghcr.io/foo', true],
  ['ghcr.io/foo', 'ghcr.io/foo', true],
  ['ghcr.io/foo', 'prefix-ghcr.io/foo', false],
  ['ghcr.io/foo', 'ghcr.io/foo-suffix', false],
  ['ghcr.io/**', 'ghcrxio/foo', false],
  ['ghcr.io/foo@sha256:*', 'ghcr.io/foo', true],
  ['ghcr.io/foo:*', 'ghcr.io/foo', false],
  ['demo**', 'ghcr.io/demo', false],
] as const) {
  test(`${glob} ${expected ? 'matches' : 'does not match'} ${name}`, (t) => {
    t.is(matches({ images: [{ glob }] }, at(name)), expected);
  });
}

for (const glob of ['[', '.+', '[a-z]*', 'a b', '', 'ghcr.io/foo$']) {
  test(`${JSON.stringify(glob)} is no glob`, (t) => t.is(parseGlob(glob), undefined));
}

test('a glob of many stars does not take exponential time', (t) => {
  const glob = parseGlob('**a'.repeat(300));
  const started = process.hrtime.bigint();
  t.false(glob?.matches(`${'a'.repeat(299)}b`));
  t.true(process.hrtime.bigint() - started < 1_000_000_000n);
});

test('a name without stars matches itself and nothing else', (t) => {
  const name = fc.stringMatching(/^[a-z0-9./:-]{1,40}$/);
  fc.assert(
    fc.property(name, name, (glob, other) => {
      const parsed = parseGlob(glob);
      return parsed?.matches(glob) === true && parsed.matches(other) === (glob === other);
    }),
  );
  t.pass();
});

test('** between two parts matches whatever stands there', (t) => {
  const part = fc.stringMatching(/^[a-z0-9]{1,8}$/);
  fc.assert(
    fc.property(part, fc.stringMatching(/^[a-z0-9/]{0,20}$/), part, (start, middle, end) => {
      return parseGlob(`${start}**${end}`)?.matches(`${start}${middle}${end}`) === true;
    }),
  );
  t.pass();
});

const DEPLOYMENT: WorkloadFacts = { resource: 'deployments', group: 'apps', version: 'v1', labels: { tier: 'web' } };
for (const [what, match, expected] of [
  ['its kind', [{ resource: 'deployments', group: 'apps', version: 'v1' }], true],
  ['its kind at any version', [{ resource: 'deployments', group: 'apps', version: '*' }], true],
  ['another kind', [{ resource: 'pods' }], false],
  ['another group', [{ resource: 'deployments', group: 'extensions' }], false],
  ['one of two kinds', [{ resource: 'pods' }, { resource: 'deployments', group: 'apps' }], true],
  ['its label', [{ resource: 'deployments', group: 'apps', selector: { matchLabels: { tier: 'web' } } }], true],
  ['another label', [{ resource: 'deployments', group: 'apps', selector: { matchLabels: { tier: 'db' } } }], false],
  [
    'a label among some',
    [
      {
        resource: 'deployments',
        group: 'apps',
        selector: { matchExpressions: [{ key: 'tier', operator: 'In', values: ['web'] }] },
      },
    ],
    true,
  ],
  [
    'a missing label',
    [{ resource: 'deployments', group: 'apps', selector: { matchExpressions: [{ key: 'team', operator: 'Exists' }] } }],
    false,
  ],
  [
    'a label that must be missing',
    [
      {
        resource: 'deployments',
        group: 'apps',
        selector: { matchExpressions: [{ key: 'team', operator: 'DoesNotExist' }] },
      },
    ],
    true,
  ],
] as const) {
  test(`a policy for ${what} ${expected ? 'is' : 'is not'} for a Deployment`, (t) => {
    t.is(matches({ images: [{ glob: '**' }], match }, at('ghcr.io/foo'), DEPLOYMENT), expected);
  });
}
