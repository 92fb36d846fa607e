import test from 'ava';
import fc from 'fast-check';

import type { Log, LogFields } from '../../../appliance/kernel/log.ts';
import { silentLog } from '../../../appliance/kernel/log.ts';
import type { AdmissionWorld } from '../../../appliance/webhook/admission-world.ts';
import { WebhookError } from '../../../appliance/webhook/webhook-error.ts';
import { createRequest, podSpec, reviewBody, WORKLOAD_KINDS, workload } from './support/reviews.ts';
import { testDigest, testHandler, testWorld } from './support/worlds.ts';

interface Answer {
  readonly apiVersion: string;
  readonly kind: string;
  readonly response: {
    readonly uid: string;
    readonly allowed: boolean;
    readonly status?: { readonly code: number; readonly message: string };
    readonly warnings?: readonly string[];
    readonly patch?: string;
  };
}

const ROUTES = ['/validate', '/mutate', '/validate-policy'];
const good = podSpec(`example.com/x/good@${testDigest('good')}`);
const bad = podSpec(`example.com/x/bad@${testDigest('bad')}`);
const goodPod = reviewBody(createRequest('Pod', workload('Pod', good)));

async function post(url: string, body: Buffer, handler = testHandler()): Promise<Answer> {
  const { status, body: text } = await handler({ method: 'POST', url, body });
  if (status !== 200) throw new Error(`status ${status}: ${text}`);
  return JSON.parse(text) as Answer;
}

test('/validate admits and refuses', async (t) => {
  t.true((await post('/validate?timeout=10s', goodPod)).response.allowed);
  const refused = await post('/validate?timeout=10s', reviewBody(createRequest('Pod', workload('Pod', bad))));
  t.like(refused.response, { uid: 'uid-1', allowed: false, status: { code: 403 } });
});

test('/mutate pins a Pod', async (t) => {
  const { response } = await post('/mutate', reviewBody(createRequest('Pod', workload('Pod', podSpec('nginx:1')))));
  const patch = JSON.parse(Buffer.from(response.patch ?? '', 'base64').toString()) as { value: string }[];
  t.regex(patch[0]?.value ?? '', /^docker\.io\/library\/nginx:1@sha256:[0-9a-f]{64}$/);
});

test('/validate-policy refuses with the reason, and lets a DELETE pass', async (t) => {
  const handler = testHandler({ documentFault: () => 'spec.images: missing' });
  const request = createRequest('ClusterImagePolicy', {});
  t.regex(
    (await post('/validate-policy', reviewBody(request), handler)).response.status?.message ?? '',
    /spec\.images: missing/,
  );
  const deletion = { ...request, operation: 'DELETE' as const, object: null };
  t.true((await post('/validate-policy', reviewBody(deletion), handler)).response.allowed);
});

test('before trust is loaded every review is refused with the reason', async (t) => {
  const current = (): AdmissionWorld => {
    throw new WebhookError('NOT_READY', 'no trust is loaded', { fix: 'see the node agent' });
  };
  const { response } = await post('/validate', goodPod, testHandler({ world: { current } }));
  t.like(response, { allowed: false, status: { code: 503 } });
  t.regex(response.status?.message ?? '', /no trust is loaded \[NOT_READY\]; see the node agent/);
});

test('an error that nobody foresaw is a denial', async (t) => {
  const world: AdmissionWorld = {
    ...testWorld(),
    modeOf: () => {
      throw new TypeError('x is not a function');
    },
  };
  const { response } = await post('/validate', goodPod, testHandler({ world: { current: () => world } }));
  t.like(response, { uid: 'uid-1', allowed: false });
});

test('a review is answered when its deadline is over', async (t) => {
  const slow = reviewBody(createRequest('Pod', workload('Pod', podSpec(`example.com/x/slow@${testDigest('s')}`))));
  const { response } = await post('/validate', slow, testHandler({ deadlineMs: 5 }));
  t.regex(response.status?.message ?? '', /DEADLINE_EXCEEDED/);
});

test('the deadline is that of the API server when it is shorter', async (t) => {
  const slow = reviewBody(createRequest('Pod', workload('Pod', podSpec(`example.com/x/slow@${testDigest('s')}`))));
  const patient = testHandler({ deadlineMs: 24 * 3_600_000 });
  const { response } = await post('/validate?timeout=1s', slow, patient);
  t.regex(response.status?.message ?? '', /DEADLINE_EXCEEDED/);
});

test('anything at all gets a response with the same uid, and no throw', async (t) => {
  const handler = testHandler();
  const uid = fc.string({ minLength: 1, maxLength: 100 });
  const request = fc.oneof(
    fc.record({ uid, x: fc.jsonValue() }),
    fc
      .tuple(uid, fc.constantFrom(...WORKLOAD_KINDS), fc.jsonValue(), fc.jsonValue())
      .map(([id, kind, object, old]) => ({
        ...createRequest(kind, {}),
        uid: id,
        operation: 'UPDATE',
        object,
        oldObject: old,
      })),
    fc.tuple(uid, fc.constantFrom(...WORKLOAD_KINDS), fc.jsonValue()).map(([id, kind, spec]) => ({
      ...createRequest(kind, workload(kind, spec as Record<string, unknown>)),
      uid: id,
    })),
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...ROUTES), request, async (route, one) => {
      const { response, kind } = await post(route, reviewBody(one), handler);
      return kind === 'AdmissionReview' && response.uid === one.uid && typeof response.allowed === 'boolean';
    }),
    { numRuns: 500 },
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...ROUTES), fc.uint8Array({ maxLength: 400 }), async (route, bytes) => {
      return !(await post(route, Buffer.from(bytes), handler)).response.allowed;
    }),
  );
  t.pass();
});

test('an unreadable pod spec is never admitted', async (t) => {
  const specs = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.array(fc.jsonValue()));
  await fc.assert(
    fc.asyncProperty(specs, async (spec) => {
      const { response } = await post('/validate', reviewBody(createRequest('Pod', { spec })));
      return !response.allowed;
    }),
  );
  t.pass();
});

test('other routes and methods', async (t) => {
  const handler = testHandler();
  const ask = async (method: string, url: string) => (await handler({ method, url, body: Buffer.alloc(0) })).status;
  t.is(await ask('GET', '/healthz'), 200);
  t.is(await ask('GET', '/validate'), 405);
  t.is(await ask('GET', '/nothing'), 404);
  t.is(await ask('POST', '/healthz'), 404);
  t.is(await ask('POST', '//validate'), 404);
  t.is(await ask('GET', '/constructor'), 404);
});

test('/readyz says what is missing', async (t) => {
  const handler = testHandler({ readiness: () => ({ ready: false, details: { generation: null } }) });
  const { status, body } = await handler({ method: 'GET', url: '/readyz', body: Buffer.alloc(0) });
  t.is(status, 503);
  t.deepEqual(JSON.parse(body), { ready: false, generation: null });
});

test('/metrics counts verdicts', async (t) => {
  const handler = testHandler();
  await post('/validate', goodPod, handler);
  const { body } = await handler({ method: 'GET', url: '/metrics', body: Buffer.alloc(0) });
  t.regex(body, /sealift_admission_reviews_total\{route="\/validate",verdict="admitted"\} 1/);
  t.regex(body, /sealift_trust_generation 12/);
});

test('a decision is logged with uid, images, verdict, milliseconds and generation', async (t) => {
  const lines: LogFields[] = [];
  const log: Log = { ...silentLog, info: (_message, fields = {}) => lines.push(fields) };
  await post('/validate', reviewBody(createRequest('Pod', workload('Pod', bad))), testHandler({ log }));
  t.like(lines[0], { uid: 'uid-1', verdict: 'denied', generation: 12, namespace: 'shop', user: 'dev' });
  t.is(typeof lines[0]?.['ms'], 'number');
  t.like((lines[0]?.['images'] as unknown[])[0], { place: 'spec.containers[web]' });
});
