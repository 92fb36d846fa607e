import { performance } from 'node:perf_hooks';

import type { Log } from '../kernel/log.ts';
import { type AdmissionOutcome, type AdmissionRequest, parseReview, reviewResponse } from './admission-review.ts';
import type { WorldSource } from './admission-world.ts';
import { type Decision, type DecisionInputs, decideAdmission, decidePinning } from './decide.ts';
import { toldError } from './webhook-error.ts';
import type { WebhookMetrics } from './webhook-metrics.ts';

/** A request as the server hands it on: whole, and within its limits. */
export interface WebhookRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly body: Buffer;
}

/** What goes back. */
export interface WebhookResponse {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Answers requests; tested without a socket. Never rejects. */
export type WebhookHandler = (request: WebhookRequest) => Promise<WebhookResponse>;

/** Ready, or what is missing. */
export interface Readiness {
  readonly ready: boolean;
  /** For people: generation, age of trust, what is failing. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** What the handler works with. */
export interface HandlerParts {
  readonly world: WorldSource;
  /** Says why a ClusterImagePolicy or a TrustRoot is refused; nothing when it is valid. */
  readonly documentFault: (object: unknown) => string | undefined;
  readonly readiness: () => Readiness;
  readonly metrics: WebhookMetrics;
  readonly log: Log;
  /** The longest a review may take, in milliseconds; 8000 unless told. */
  readonly deadlineMs?: number;
}

type Decider = (request: AdmissionRequest, parts: HandlerParts, deadline: AbortSignal) => Promise<Decision>;

const DEFAULT_DEADLINE_MS = 8000;
const JSON_TYPE = 'application/json';

/** The webhook's routes. */
export function webhookHandler(parts: HandlerParts): WebhookHandler {
  const reviews: Readonly<Record<string, Decider>> = {
    '/validate': async (request, { world }, deadline) => await decideAdmission(request, inputsOf(world, deadline)),
    '/mutate': async (request, { world }, deadline) => await decidePinning(request, inputsOf(world, deadline)),
    '/validate-policy': async (request, { documentFault }) => decidePolicy(request, documentFault),
  };
  return async ({ method, url, body }) => {
    const [pathname = '', query = ''] = url.split('?', 2);
    const decider = Object.hasOwn(reviews, pathname) ? reviews[pathname] : undefined;
    if (decider !== undefined) {
      if (method !== 'POST') return text(405, 'POST an AdmissionReview');
      const deadlineMs = Math.min(parts.deadlineMs ?? DEFAULT_DEADLINE_MS, patienceOf(new URLSearchParams(query)));
      return await answerReview(body, { route: pathname, decider, parts, deadlineMs });
    }
    if (method !== 'GET') return text(404, 'not found');
    return await answerGet(pathname, parts);
  };
}

function inputsOf(source: WorldSource, deadline: AbortSignal): DecisionInputs {
  return { world: source.current(), deadline };
}

async function answerGet(pathname: string, { readiness, metrics }: HandlerParts): Promise<WebhookResponse> {
  switch (pathname) {
    case '/healthz':
      return text(200, 'ok');
    case '/readyz': {
      const { ready, details } = readiness();
      return { status: ready ? 200 : 503, contentType: JSON_TYPE, body: JSON.stringify({ ready, ...details }) };
    }
    case '/metrics':
      return { status: 200, contentType: metrics.registry.contentType, body: await metrics.registry.metrics() };
    default:
      return text(404, 'not found');
  }
}

interface Answering {
  readonly route: string;
  readonly decider: Decider;
  readonly parts: HandlerParts;
  readonly deadlineMs: number;
}

async function answerReview(body: Buffer, { route, decider, parts, deadlineMs }: Answering): Promise<WebhookResponse> {
  const started = performance.now();
  const review = parseReview(body);
  const abort = new AbortController();
  const timer = setTimeout(() => {
    abort.abort();
  }, deadlineMs);
  let uid = '';
  let decision: Decision;
  try {
    if (review.kind === 'junk') {
      uid = review.uid;
      decision = refusal(review.error);
    } else {
      uid = review.request.uid;
      decision = await decider(review.request, parts, abort.signal);
    }
  } catch (error) {
    decision = refusal(error);
  } finally {
    clearTimeout(timer);
  }
  const ms = performance.now() - started;
  tell(decision, { route, ms, parts, uid, ...(review.kind === 'review' ? { request: review.request } : {}) });
  return { status: 200, contentType: JSON_TYPE, body: JSON.stringify(reviewResponse(uid, decision.outcome)) };
}

const INPUT_FAULTS = new Set(['REVIEW_INVALID', 'OBJECT_MALFORMED', 'KIND_UNKNOWN']);

/** Whatever goes wrong is a denial, said aloud. */
function refusal(error: unknown): Decision {
  const { code, message, fix } = toldError(error);
  const isInput = INPUT_FAULTS.has(code);
  const what = isInput ? 'sealift refuses this request' : 'sealift could not decide, so this is refused';
  const text = `${what}: ${message} [${code}]${fix === undefined ? '' : `; ${fix}`}`;
  return { outcome: { allowed: false, code: isInput ? 400 : 503, message: text }, findings: [] };
}

function decidePolicy(request: AdmissionRequest, documentFault: HandlerParts['documentFault']): Decision {
  if (request.operation === 'DELETE' || request.subResource !== '') return { outcome: { allowed: true }, findings: [] };
  const fault = documentFault(request.object);
  if (fault === undefined) return { outcome: { allowed: true }, findings: [] };
  return {
    outcome: { allowed: false, code: 403, message: `not a valid ${request.kind.kind}: ${fault}` },
    findings: [],
  };
}

interface Told {
  readonly route: string;
  readonly ms: number;
  readonly uid: string;
  readonly parts: HandlerParts;
  readonly request?: AdmissionRequest;
}

function tell({ outcome, findings }: Decision, { route, ms, uid, parts, request }: Told): void {
  const { log, metrics } = parts;
  const verdict = verdictOf(outcome);
  metrics.reviewed(route, verdict, ms / 1000);
  log.info('review', {
    route,
    uid,
    verdict,
    ms: Math.round(ms * 100) / 100,
    ...(request === undefined ? {} : requestFields(request)),
    ...(outcome.auditAnnotations?.['generation'] === undefined
      ? {}
      : { generation: Number(outcome.auditAnnotations['generation']) }),
    ...(findings.length === 0
      ? {}
      : { images: findings.map(({ image, digest, place }) => ({ image, digest, place })) }),
    ...(outcome.message === undefined ? {} : { reasons: outcome.message }),
    ...(outcome.patch === undefined || outcome.patch.length === 0 ? {} : { pinned: outcome.patch.length }),
  });
}

function verdictOf({ allowed, code, auditAnnotations }: AdmissionOutcome): string {
  if (!allowed) return code === 503 ? 'undecided' : 'denied';
  const judged = auditAnnotations?.['verdict'];
  return judged === undefined || judged === 'admitted' ? 'admitted' : 'warned';
}

function requestFields({ kind, namespace, name, operation, subResource, userInfo, dryRun }: AdmissionRequest) {
  return {
    kind: subResource === '' ? kind.kind : `${kind.kind}/${subResource}`,
    namespace,
    name,
    operation,
    user: userInfo.username,
    ...(dryRun === true ? { dryRun } : {}),
  };
}

/** How long the API server waits, by its `timeout` parameter (a Go duration in whole seconds), less what the way takes. */
function patienceOf(query: URLSearchParams): number {
  const seconds = /^(\d{1,3})s$/.exec(query.get('timeout') ?? '')?.[1];
  return seconds === undefined ? Number.POSITIVE_INFINITY : Number(seconds) * 800;
}

function text(status: number, body: string): WebhookResponse {
  return { status, contentType: 'text/plain; charset=utf-8', body: `${body}\n` };
}
