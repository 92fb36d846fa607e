import test from 'ava';
import fc from 'fast-check';

import { parseReview, reviewResponse } from '../../../appliance/webhook/admission-review.ts';
import { createRequest, podSpec, reviewBody, workload } from './support/reviews.ts';

const responseOf = (outcome: Parameters<typeof reviewResponse>[1]) =>
  reviewResponse('u', outcome).response as Record<string, unknown>;

test('a review as the API server writes it is read', (t) => {
  const request = createRequest('Pod', workload('Pod', podSpec('nginx')));
  const goSpelling = {
    ...request,
    requestKind: request.kind,
    requestResource: request.resource,
    userInfo: { username: 'system:serviceaccount:kube-system:replicaset-controller', groups: ['system:authenticated'] },
    oldObject: null,
    dryRun: false,
    options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
  };
  const review = parseReview(reviewBody(goSpelling));
  t.like(review, { kind: 'review', request: { uid: 'uid-1', operation: 'CREATE', subResource: '' } });
});

test('junk that has a uid keeps it', (t) => {
  t.like(parseReview(reviewBody({ uid: 'abc', kind: 7 })), { kind: 'junk', uid: 'abc' });
});

for (const [what, body] of [
  ['nothing', ''],
  ['no JSON', '{'],
  ['another encoding', Buffer.from([0xff, 0xfe, 0x00])],
  ['another version', JSON.stringify({ apiVersion: 'admission.k8s.io/v1beta1', kind: 'AdmissionReview' })],
  ['nesting without end', '['.repeat(100_000)],
] as const) {
  test(`${what} is junk without a uid`, (t) => {
    t.like(parseReview(Buffer.from(body)), { kind: 'junk', uid: '' });
  });
}

test('whatever comes is read or junk, and keeps its uid', (t) => {
  const anything = fc.record({ request: fc.record({ uid: fc.string({ minLength: 1, maxLength: 64 }), x: fc.json() }) });
  fc.assert(
    fc.property(anything, (json) => {
      const review = parseReview(Buffer.from(JSON.stringify(json)));
      return review.kind === 'junk' && review.uid === json.request.uid;
    }),
  );
  fc.assert(fc.property(fc.uint8Array(), (bytes) => parseReview(bytes).kind === 'junk'));
  t.pass();
});

test('a denial carries message, code and reason', (t) => {
  t.deepEqual(responseOf({ allowed: false, message: 'no' }), {
    uid: 'u',
    allowed: false,
    status: { code: 403, reason: 'Forbidden', message: 'no' },
  });
});

test('a denial carries no patch', (t) => {
  t.false('patch' in responseOf({ allowed: false, patch: [{ op: 'replace', path: '/x', value: 'y' }] }));
});

test('a patch is base64 of JSON', (t) => {
  const patch = [{ op: 'replace', path: '/x', value: 'y' }] as const;
  const response = responseOf({ allowed: true, patch });
  t.is(response['patchType'], 'JSONPatch');
  t.deepEqual(JSON.parse(Buffer.from(String(response['patch']), 'base64').toString()), patch);
});

test('warnings are one line each, cut to 256 bytes, 4096 in all, and said once', (t) => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 600 }), { maxLength: 100 }), (warnings) => {
      const kept = (responseOf({ allowed: true, warnings })['warnings'] ?? []) as string[];
      const bytes = kept.map((text) => Buffer.byteLength(text));
      return (
        bytes.every((size) => size <= 256) &&
        bytes.reduce((sum, size) => sum + size, 0) <= 4096 &&
        new Set(kept).size === kept.length &&
        kept.every((text) => !/[\p{Cc}]/u.test(text))
      );
    }),
  );
  t.pass();
});
