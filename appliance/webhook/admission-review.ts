import { z } from 'zod';

import { parseJson } from '../kernel/json.ts';
import { WebhookError } from './webhook-error.ts';

/** Largest review taken: 8 MiB. The API server takes objects up to 3 MiB, and a review carries the old one too. */
export const MAX_REVIEW_BYTES = 8 * 1024 * 1024;
const MAX_REVIEW_DEPTH = 128;
const MAX_UID = 256;

const kindSchema = z.object({ group: z.string(), version: z.string(), kind: z.string() });
/** Go writes an absent raw object as `null`. */
const objectSchema = z.record(z.string(), z.unknown()).nullish();

const requestSchema = z.object({
  uid: z.string().min(1).max(MAX_UID),
  kind: kindSchema,
  resource: z.object({ group: z.string(), version: z.string(), resource: z.string() }),
  subResource: z.string().default(''),
  name: z.string().default(''),
  namespace: z.string().default(''),
  operation: z.enum(['CREATE', 'UPDATE', 'DELETE', 'CONNECT']),
  userInfo: z.object({ username: z.string().default('') }).default({ username: '' }),
  object: objectSchema,
  oldObject: objectSchema,
  dryRun: z.boolean().nullish(),
});

const reviewSchema = z.object({
  apiVersion: z.literal('admission.k8s.io/v1'),
  kind: z.literal('AdmissionReview'),
  request: requestSchema,
});

/** What the API server asks about (AdmissionRequest of admission.k8s.io/v1; fields that decide nothing are left out). */
export type AdmissionRequest = z.infer<typeof requestSchema>;

/** One step of an RFC 6902 patch, of the kind that the webhook makes. */
export interface PatchOperation {
  readonly op: 'replace';
  /** JSON pointer (RFC 6901). */
  readonly path: string;
  readonly value: string;
}

/** What is answered, before it takes its wire form. */
export interface AdmissionOutcome {
  readonly allowed: boolean;
  /** For the person whose request was denied. */
  readonly message?: string;
  /** 403: judged and denied. 503: it could not be decided. 400: not a review that can be judged. */
  readonly code?: 400 | 403 | 503;
  readonly warnings?: readonly string[];
  readonly auditAnnotations?: Readonly<Record<string, string>>;
  readonly patch?: readonly PatchOperation[];
}

/** A review as it came in: readable, or junk with as much of its uid as could be read. */
export type IncomingReview =
  | { readonly kind: 'review'; readonly request: AdmissionRequest }
  | { readonly kind: 'junk'; readonly uid: string; readonly error: WebhookError };

/** Reads an AdmissionReview. Never throws: what can't be read is `junk`, to be denied under its uid. */
export function parseReview(body: Uint8Array): IncomingReview {
  let json: unknown;
  try {
    json = parseJson(body, 'AdmissionReview', { maxBytes: MAX_REVIEW_BYTES, maxDepth: MAX_REVIEW_DEPTH });
  } catch (cause) {
    return { kind: 'junk', uid: '', error: new WebhookError('REVIEW_INVALID', 'not JSON that is taken', { cause }) };
  }
  const parsed = reviewSchema.safeParse(json);
  if (parsed.success) return { kind: 'review', request: parsed.data.request };
  const why = `not an AdmissionReview of admission.k8s.io/v1: ${z.prettifyError(parsed.error).slice(0, 1000)}`;
  return { kind: 'junk', uid: uidOf(json), error: new WebhookError('REVIEW_INVALID', why) };
}

function uidOf(json: unknown): string {
  const found = z.object({ request: z.object({ uid: z.string().max(MAX_UID) }) }).safeParse(json);
  return found.success ? found.data.request.uid : '';
}

const REASONS = { 400: 'BadRequest', 403: 'Forbidden', 503: 'ServiceUnavailable' } as const;
/** What a warning is cut to, and how much of all warnings the API server passes on (admission/v1 types.go, `Warnings`). */
const MAX_WARNING = 256;
const MAX_WARNINGS_TOTAL = 4096;
const MAX_MESSAGE = 16 * 1024;

/** The wire form of an outcome: an AdmissionReview that answers `uid`. */
export function reviewResponse(uid: string, outcome: AdmissionOutcome) {
  const { allowed, auditAnnotations = {} } = outcome;
  const warnings = fittingWarnings(outcome.warnings ?? []);
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: {
      uid,
      allowed,
      ...(allowed ? patchOf(outcome) : statusOf(outcome)),
      ...(warnings.length === 0 ? {} : { warnings }),
      ...(Object.keys(auditAnnotations).length === 0 ? {} : { auditAnnotations }),
    },
  };
}

function statusOf({ code = 403, message = 'denied' }: AdmissionOutcome) {
  return { status: { code, reason: REASONS[code], message: cut(message, MAX_MESSAGE) } };
}

function patchOf({ patch = [] }: AdmissionOutcome) {
  if (patch.length === 0) return {};
  return { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') };
}

/** Warnings as HTTP's Warning header can carry them: one line each, printable, cut to fit. */
function fittingWarnings(warnings: readonly string[]): string[] {
  const kept: string[] = [];
  let total = 0;
  for (const warning of new Set(warnings.map((text) => cut(oneLine(text), MAX_WARNING)))) {
    total += Buffer.byteLength(warning);
    if (total > MAX_WARNINGS_TOTAL) break;
    kept.push(warning);
  }
  return kept;
}

function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cs}\s]+/gu, ' ').trim();
}

/** `text` cut to `max` bytes of UTF-8, with an ellipsis where something is gone. */
function cut(text: string, max: number): string {
  if (Buffer.byteLength(text) <= max) return text;
  const room = Buffer.from(text).subarray(0, max - 3);
  return `${new TextDecoder().decode(room).replace(/\uFFFD+$/u, '')}…`;
}
