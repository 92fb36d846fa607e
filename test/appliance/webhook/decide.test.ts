import test from 'ava';
import type { ImageQuestion } from '../../../appliance/webhook/admission-world.ts';
import { decideAdmission, decidePinning } from '../../../appliance/webhook/decide.ts';
import { createRequest, podSpec, updateRequest, WORKLOAD_KINDS, workload } from './support/reviews.ts';
import { testDigest, testWorld } from './support/worlds.ts';

const never = new AbortController().signal;
const inputs = (asked?: ImageQuestion[]) => ({ world: testWorld(asked), deadline: never });
const pinned = (repository: string): string => `example.com/${repository}@${testDigest(repository)}`;

for (const kind of WORKLOAD_KINDS) {
  test(`${kind}: a good image is admitted`, async (t) => {
    const request = createRequest(kind, workload(kind, podSpec(pinned('x/good'))));
    const { outcome } = await decideAdmission(request, inputs());
    t.like(outcome, { allowed: true, auditAnnotations: { verdict: 'admitted', generation: '12' } });
  });

  test(`${kind}: a bad image is refused, with its place and reason`, async (t) => {
    const request = createRequest(kind, workload(kind, podSpec(pinned('x/bad'))));
    const { outcome } = await decideAdmission(request, inputs());
    t.false(outcome.allowed);
    t.is(outcome.code, 403);
    t.regex(
      outcome.message ?? '',
      /image "example\.com\/x\/bad@sha256:[0-9a-f]{64}" of \S+\.containers\[web\] is refused:/,
    );
    t.regex(outcome.message ?? '', /\[NO_SIGNATURE\] policy signed, authority site: no signature was found/);
  });
}

test('one bad image among good ones refuses the workload, and the message names only that one', async (t) => {
  const spec = podSpec(pinned('x/good'), { initContainers: [{ name: 'init', image: pinned('x/bad') }] });
  const { outcome } = await decideAdmission(createRequest('Pod', workload('Pod', spec)), inputs());
  t.false(outcome.allowed);
  t.false(outcome.message?.includes('x/good'));
});

test('an ephemeral container is judged, its running neighbours are not', async (t) => {
  const before = workload('Pod', podSpec(pinned('x/bad')));
  const after = workload(
    'Pod',
    podSpec(pinned('x/bad'), { ephemeralContainers: [{ name: 'd', image: pinned('x/good') }] }),
  );
  const request = { ...updateRequest('Pod', before, after), subResource: 'ephemeralcontainers' };
  const asked: ImageQuestion[] = [];
  t.true((await decideAdmission(request, inputs(asked))).outcome.allowed);
  t.deepEqual(
    asked.map(({ reference }) => reference.repository),
    ['x/good'],
  );
});

test('kubectl debug with a bad image is refused', async (t) => {
  const before = workload('Pod', podSpec(pinned('x/good')));
  const after = workload(
    'Pod',
    podSpec(pinned('x/good'), { ephemeralContainers: [{ name: 'd', image: pinned('x/bad') }] }),
  );
  const request = { ...updateRequest('Pod', before, after), subResource: 'ephemeralcontainers' };
  t.false((await decideAdmission(request, inputs())).outcome.allowed);
});

test('an image volume is judged', async (t) => {
  const spec = podSpec(pinned('x/good'), { volumes: [{ name: 'model', image: { reference: pinned('x/bad') } }] });
  const { outcome } = await decideAdmission(createRequest('Pod', workload('Pod', spec)), inputs());
  t.regex(outcome.message ?? '', /spec\.volumes\[model\]/);
});

test('in a namespace in warn mode the refusal is a warning and an audit annotation', async (t) => {
  const request = createRequest('Pod', workload('Pod', podSpec(pinned('x/bad'))), { namespace: 'lenient' });
  const { outcome } = await decideAdmission(request, inputs());
  t.true(outcome.allowed);
  t.regex(
    outcome.warnings?.[0] ?? '',
    /^sealift would refuse image .*sha256:[0-9a-f]{12}…" .*\[NO_SIGNATURE\] policy signed/,
  );
  t.like(outcome.auditAnnotations, { verdict: 'denied' });
});

test('what could not be decided is refused as 503, with the next step', async (t) => {
  const request = createRequest('Pod', workload('Pod', podSpec(pinned('x/unknown'))));
  const { outcome } = await decideAdmission(request, inputs());
  t.like(outcome, { allowed: false, code: 503, auditAnnotations: { verdict: 'undecided' } });
  t.regex(
    outcome.message ?? '',
    /\[EVIDENCE_UNAVAILABLE\] could not be decided: never taken in; bring it in with a bundle/,
  );
});

test('a verdict that does not come in time is refused; the others are told all the same', async (t) => {
  const deadline = new AbortController();
  const spec = podSpec(pinned('x/slow'), { initContainers: [{ name: 'init', image: pinned('x/bad') }] });
  const deciding = decideAdmission(createRequest('Pod', workload('Pod', spec)), {
    world: testWorld(),
    deadline: deadline.signal,
  });
  deadline.abort();
  const { outcome } = await deciding;
  t.false(outcome.allowed);
  t.regex(outcome.message ?? '', /DEADLINE_EXCEEDED/);
});

test('a deadline that is over in a namespace in warn mode lets the workload in with a warning', async (t) => {
  const request = createRequest('Pod', workload('Pod', podSpec(pinned('x/slow'))), { namespace: 'lenient' });
  const { outcome } = await decideAdmission(request, { world: testWorld(), deadline: AbortSignal.abort() });
  t.true(outcome.allowed);
  t.regex(outcome.warnings?.[0] ?? '', /DEADLINE_EXCEEDED/);
});

test('a Pod whose tag was not pinned is refused even when its digest would pass: it may be fetched as something else', async (t) => {
  const request = createRequest('Pod', workload('Pod', podSpec('example.com/x/good:1')));
  t.regex((await decideAdmission(request, inputs())).outcome.message ?? '', /NOT_PINNED/);
});

test("a Deployment's tag is judged by the digest that it stands for now", async (t) => {
  const asked: ImageQuestion[] = [];
  const request = createRequest('Deployment', workload('Deployment', podSpec('example.com/x/good:1')));
  t.true((await decideAdmission(request, inputs(asked))).outcome.allowed);
  t.is(asked[0]?.digest, testDigest('example.com/x/good:1'));
});

for (const [what, image, code] of [
  ['no image', '', 'NO_IMAGE'],
  ['a malformed image', 'example.com//case', 'REFERENCE_INVALID'],
  ['a digest that is none', 'example.com/a@sha256:123', 'REFERENCE_INVALID'],
] as const) {
  test(`${what} is refused`, async (t) => {
    const { outcome } = await decideAdmission(createRequest('Pod', workload('Pod', podSpec(image))), inputs());
    t.false(outcome.allowed);
    t.true(outcome.message?.includes(code));
  });
}

test('labels, group, version and resource go to the policies', async (t) => {
  const asked: ImageQuestion[] = [];
  const object = workload('Deployment', podSpec(pinned('x/good')), { labels: { tier: 'front', odd: 7 } });
  await decideAdmission(createRequest('Deployment', object), inputs(asked));
  t.deepEqual(asked[0]?.workload, { group: 'apps', version: 'v1', resource: 'deployments', labels: { tier: 'front' } });
});

test('status and scale pass without a look at the object', async (t) => {
  for (const subResource of ['status', 'scale']) {
    t.true((await decideAdmission(createRequest('Scale', {}, { subResource }), inputs())).outcome.allowed);
  }
});

test('a kind that is not known is refused', async (t) => {
  await t.throwsAsync(decideAdmission(createRequest('Widget', {}), inputs()), { code: 'KIND_UNKNOWN' });
});

test('pinning writes tag and digest into a Pod, in full', async (t) => {
  const { outcome } = await decidePinning(createRequest('Pod', workload('Pod', podSpec('nginx'))), inputs());
  const digest = testDigest('docker.io/library/nginx:latest');
  t.deepEqual(outcome.patch, [
    { op: 'replace', path: '/spec/containers/0/image', value: `docker.io/library/nginx:latest@${digest}` },
  ]);
});

test('pinning leaves a digest alone', async (t) => {
  const { outcome } = await decidePinning(createRequest('Pod', workload('Pod', podSpec(pinned('x/good')))), inputs());
  t.deepEqual(outcome.patch, []);
});

test('pinning leaves what it can not resolve to validation', async (t) => {
  const spec = podSpec('example.com/x/lost:1', { initContainers: [{ name: 'i', image: 'example.com/x/good:1' }] });
  const { outcome } = await decidePinning(createRequest('Pod', workload('Pod', spec)), inputs());
  t.true(outcome.allowed);
  t.deepEqual(
    outcome.patch?.map(({ path }) => path),
    ['/spec/initContainers/0/image'],
  );
});

test('pinning does not touch a Deployment: what its author wrote stays', async (t) => {
  const request = createRequest('Deployment', workload('Deployment', podSpec('nginx')));
  t.is((await decidePinning(request, inputs())).outcome.patch, undefined);
});

test('pinning an ephemeral container patches only that one', async (t) => {
  const before = workload('Pod', podSpec('nginx'));
  const after = workload('Pod', podSpec('nginx', { ephemeralContainers: [{ name: 'd', image: 'busybox:1' }] }));
  const request = { ...updateRequest('Pod', before, after), subResource: 'ephemeralcontainers' };
  const { outcome } = await decidePinning(request, inputs());
  t.deepEqual(
    outcome.patch?.map(({ path }) => path),
    ['/spec/ephemeralContainers/0/image'],
  );
});

test('in a namespace in warn mode nothing is pinned, and a tag is judged by the digest that it stands for', async (t) => {
  const pod = (image: string) => createRequest('Pod', workload('Pod', podSpec(image)), { namespace: 'lenient' });
  t.is((await decidePinning(pod('example.com/x/good:1'), inputs())).outcome.patch, undefined);
  t.like((await decideAdmission(pod('example.com/x/good:1'), inputs())).outcome, { allowed: true, warnings: [] });
  t.regex((await decideAdmission(pod('example.com/x/bad:1'), inputs())).outcome.warnings?.[0] ?? '', /NO_SIGNATURE/);
});
