import https from 'node:https';

import { z } from 'zod';

import { parseJson } from '../kernel/json.ts';
import { WebhookError } from './webhook-error.ts';

/** Where a webhook is asked. */
export interface WebhookAddress {
  readonly host: string;
  readonly port: number;
  /** PEM of the CA that its certificate chains to. */
  readonly ca: string;
  /** The name that its certificate is for. */
  readonly serverName: string;
}

const answerSchema = z.object({
  response: z.object({
    uid: z.string(),
    allowed: z.boolean(),
    status: z.object({ message: z.string().default('') }).default({ message: '' }),
    warnings: z.array(z.string()).default([]),
    auditAnnotations: z.record(z.string(), z.string()).default({}),
  }),
});

/** What a webhook answered. */
export type WebhookAnswer = z.infer<typeof answerSchema>['response'];

const MAX_ANSWER_BYTES = 1024 * 1024;
const TIMEOUT_MS = 15_000;

/** Asks a webhook's `/validate` about a request, as the API server does. @throws WebhookError `WEBHOOK_UNREACHABLE`. */
export async function askWebhook(address: WebhookAddress, request: { readonly uid: string }): Promise<WebhookAnswer> {
  const review = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request };
  const bytes = await post(address, Buffer.from(JSON.stringify(review)));
  const answer = answerSchema.safeParse(parseJson(bytes, "the webhook's answer"));
  if (answer.success && answer.data.response.uid === request.uid) return answer.data.response;
  throw unreachable(address, 'its answer is none to what was asked');
}

async function post(address: WebhookAddress, body: Buffer): Promise<Buffer> {
  const { host, port, ca, serverName } = address;
  const headers = { 'content-type': 'application/json', 'content-length': body.byteLength };
  const where = { host, port, ca, servername: serverName, method: 'POST', path: '/validate?timeout=10s' };
  return await new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const request = https.request({ ...where, headers, signal, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      let received = 0;
      response.on('data', (chunk: Buffer) => {
        received += chunk.byteLength;
        chunks.push(chunk);
        if (received > MAX_ANSWER_BYTES) request.destroy(new Error(`more than ${MAX_ANSWER_BYTES} bytes`));
      });
      response.on('error', (cause) => {
        reject(unreachable(address, 'the answer broke off', cause));
      });
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks));
        else reject(unreachable(address, `answered ${response.statusCode ?? 0}`));
      });
    });
    request.on('error', (cause) => {
      reject(unreachable(address, 'no answer', cause));
    });
    request.end(body);
  });
}

function unreachable({ serverName, host, port }: WebhookAddress, why: string, cause?: unknown): WebhookError {
  return new WebhookError('WEBHOOK_UNREACHABLE', `${serverName} at ${host}:${port}: ${why}`, {
    cause,
    exitCode: 5,
    fix: 'see whether its pods are ready: kubectl --namespace sealift-system get pods',
  });
}
