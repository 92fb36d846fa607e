import type { WorkloadFacts } from '../verification/match-policy.ts';
import { addedImages } from './added-images.ts';
import type { AdmissionOutcome, AdmissionRequest, PatchOperation } from './admission-review.ts';
import type { AdmissionWorld } from './admission-world.ts';
import { denialMessage, isAdmitted, refusalWarnings, verdictWarnings } from './denial-message.ts';
import type { WorkloadImage } from './images-in-workload.ts';
import { type ImageFinding, judgeImages, within } from './judge-images.ts';
import type { NamespaceMode } from './namespace-modes.ts';
import { pinOperation } from './pin-digest.ts';
import { readImage } from './read-image.ts';

/** An outcome, and what it rests on, for the log. */
export interface Decision {
  readonly outcome: AdmissionOutcome;
  readonly findings: readonly ImageFinding[];
}

/** What a request is decided with. */
export interface DecisionInputs {
  readonly world: AdmissionWorld;
  /** Aborted shortly before the API server stops waiting. */
  readonly deadline: AbortSignal;
}

const PASSED: Decision = { outcome: { allowed: true }, findings: [] };

/** Subresources through which no image can come in, should someone hook them. */
const IMAGELESS = new Set([
  'status',
  'scale',
  'eviction',
  'binding',
  'resize',
  'log',
  'exec',
  'attach',
  'portforward',
  'proxy',
]);

/**
 * Judges every image that a request would add. All must be admitted; where the namespace is in warn mode the refusals
 * become warnings. Requests that add no image pass.
 * @throws WebhookError when the object can't be read.
 */
export async function decideAdmission(request: AdmissionRequest, inputs: DecisionInputs): Promise<Decision> {
  if (IMAGELESS.has(request.subResource)) return PASSED;
  const images = addedImages(request);
  if (images.length === 0) return PASSED;
  const { world, deadline } = inputs;
  const mode = world.modeOf(request.namespace);
  const mustBePinned = request.kind.kind === 'Pod' && mode === 'enforce';
  const findings = await judgeImages({ images, workload: workloadFacts(request), mustBePinned }, world, deadline);
  const outcome = outcomeOf(findings, mode);
  return {
    findings,
    outcome: { ...outcome, auditAnnotations: { ...auditOf(findings), generation: String(world.generation) } },
  };
}

/**
 * Pins the images that a Pod would add, by a patch. Other kinds keep what their authors wrote, and so does everything in
 * a namespace in warn mode, where nothing may behave differently. A reference that can't be resolved stays, and
 * validation, which runs after all mutation, says why. Mutation itself refuses nothing.
 */
export async function decidePinning(request: AdmissionRequest, inputs: DecisionInputs): Promise<Decision> {
  if (request.kind.kind !== 'Pod' || request.kind.group !== '' || IMAGELESS.has(request.subResource)) return PASSED;
  if (inputs.world.modeOf(request.namespace) === 'warn') return PASSED;
  const operations = await Promise.all(
    addedImages(request).map(async (image) => await pinned(image, inputs).catch(() => undefined)),
  );
  const patch = operations.filter((operation) => operation !== undefined);
  return { outcome: { allowed: true, patch }, findings: [] };
}

async function pinned(
  { image, pointer }: WorkloadImage,
  { world, deadline }: DecisionInputs,
): Promise<PatchOperation | undefined> {
  const reference = readImage(image);
  if (reference.digest !== undefined) return undefined;
  return pinOperation(pointer, reference, await within(world.digestOf(reference), deadline));
}

function outcomeOf(findings: readonly ImageFinding[], mode: NamespaceMode): AdmissionOutcome {
  const warnings = verdictWarnings(findings);
  if (findings.every(isAdmitted)) return { allowed: true, warnings };
  if (mode === 'warn') return { allowed: true, warnings: [...refusalWarnings(findings), ...warnings] };
  // A verdict that can change by itself is told apart: a controller may try again.
  const code = findings.some((finding) => finding.kind === 'judged' && !isAdmitted(finding)) ? 403 : codeOf(findings);
  return { allowed: false, code, message: denialMessage(findings), warnings };
}

function codeOf(findings: readonly ImageFinding[]): 403 | 503 {
  return findings.some(({ kind }) => kind === 'undecided') ? 503 : 403;
}

const MAX_ANNOTATION = 4096;

/** For the API server's audit log; it puts the webhook's name before each key. */
function auditOf(findings: readonly ImageFinding[]): Record<string, string> {
  const refused = findings.filter((finding) => !isAdmitted(finding));
  const verdict = refused.length === 0 ? 'admitted' : refused.every(isUndecided) ? 'undecided' : 'denied';
  return refused.length === 0 ? { verdict } : { verdict, reasons: denialMessage(refused).slice(0, MAX_ANNOTATION) };
}

function isUndecided({ kind }: ImageFinding): boolean {
  return kind === 'undecided';
}

function workloadFacts({ resource, object }: AdmissionRequest): WorkloadFacts {
  const metadata = object?.['metadata'];
  const labels =
    typeof metadata === 'object' && metadata !== null && 'labels' in metadata ? metadata.labels : undefined;
  const texts = Object.entries(typeof labels === 'object' && labels !== null ? labels : {}).filter(
    (entry): entry is [string, string] => typeof entry[1] === 'string',
  );
  const { group, version, resource: plural } = resource;
  return { group, version, resource: plural, labels: Object.fromEntries(texts) };
}
