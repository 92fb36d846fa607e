import { type Digest, digestOf } from '../../../../appliance/kernel/digest.ts';
import { formatImageReference, repositoryName } from '../../../../appliance/kernel/image-reference.ts';
import { silentLog } from '../../../../appliance/kernel/log.ts';
import type { Reason, Verdict } from '../../../../appliance/verification/verdict.ts';
import { VerificationError } from '../../../../appliance/verification/verification-error.ts';
import type { AdmissionWorld, ImageQuestion } from '../../../../appliance/webhook/admission-world.ts';
import { type HandlerParts, type WebhookHandler, webhookHandler } from '../../../../appliance/webhook/handler.ts';
import { WebhookError } from '../../../../appliance/webhook/webhook-error.ts';
import { webhookMetrics } from '../../../../appliance/webhook/webhook-metrics.ts';

/** The digest that a test world gives a name. */
export function testDigest(text: string): Digest {
  return digestOf(text);
}

const REASON: Reason = { code: 'NO_SIGNATURE', message: 'no signature was found', policy: 'signed', authority: 'site' };

/** A verdict of the engine, made up. */
export function verdictOf(kind: 'admitted' | 'denied', details: Partial<Verdict> = {}): Verdict {
  const basis = { policies: testDigest('p'), trust: testDigest('t'), evidence: testDigest('e') };
  const common = { image: 'example.com/a@sha256:0', policies: [], warnings: [], basis, ...details };
  return kind === 'admitted' ? { ...common, kind } : { ...common, kind, reasons: [REASON] };
}

/**
 * A world that admits repositories ending in `/good`, can't decide on `/unknown`, never ends on `/slow`, finds no digest
 * for `/lost`, and denies the rest. Namespace `lenient` is in warn mode.
 */
export function testWorld(asked: ImageQuestion[] = []): AdmissionWorld {
  return {
    generation: 12,
    modeOf: (namespace) => (namespace === 'lenient' ? 'warn' : 'enforce'),
    digestOf: async (reference) => {
      if (reference.digest !== undefined) return reference.digest;
      if (reference.repository.endsWith('/lost')) throw new WebhookError('DIGEST_UNRESOLVED', 'nowhere to be found');
      return testDigest(formatImageReference(reference));
    },
    judge: async (question) => {
      asked.push(question);
      const { repository } = question.reference;
      if (repository.endsWith('/slow')) return await new Promise(() => undefined);
      if (repository.endsWith('/unknown')) {
        throw new VerificationError('EVIDENCE_UNAVAILABLE', 'never taken in', { fix: 'bring it in with a bundle' });
      }
      const image = `${repositoryName(question.reference)}@${question.digest}`;
      return verdictOf(repository.endsWith('/good') ? 'admitted' : 'denied', { image });
    },
  };
}

/** A handler over {@link testWorld}. */
export function testHandler(parts: Partial<HandlerParts> = {}): WebhookHandler {
  const world = testWorld();
  const zero = (): number => 0;
  return webhookHandler({
    world: { current: () => world },
    documentFault: () => undefined,
    readiness: () => ({ ready: true, details: { generation: 12 } }),
    metrics: webhookMetrics({
      generation: () => 12,
      trustAgeSeconds: zero,
      trustExpirySeconds: zero,
      policies: zero,
      faults: zero,
      cache: () => ({ entries: 0, bytes: 0, hits: 0, misses: 0 }),
    }),
    log: silentLog,
    ...parts,
  });
}
