import { z } from 'zod';

import { type Digest, digestOf } from '../kernel/digest.ts';
import { canonicalJson } from '../kernel/json.ts';
import { type Glob, parseGlob } from './glob.ts';
import { type Authority, authoritiesOf } from './policy-authority.ts';
import { faultsOf } from './policy-rules.ts';
import {
  type MatchDocument,
  type PolicyBodyDocument,
  type PolicyDocument,
  policyDocumentSchema,
} from './policy-schema.ts';
import { TRANSPARENCY_LEVELS, type TransparencyLevel } from './verdict.ts';
import { VerificationError } from './verification-error.ts';

/**
 * Annotation on a ClusterImagePolicy: the least transparency level that its signatures must have. `included` unless
 * told; `promised` lets signatures in cosign's older form pass, which carry no inclusion proof.
 */
export const TRANSPARENCY_ANNOTATION = 'sealift.dev/minimum-transparency';

/** One ClusterImagePolicy, checked, with its patterns compiled. */
export interface ImagePolicy {
  readonly name: string;
  readonly globs: readonly Glob[];
  /** Kinds of workload that it is for; empty: all. */
  readonly match: readonly MatchDocument[];
  /** Alternatives: one of them must pass. Never empty. */
  readonly authorities: readonly Authority[];
  /** A policy over the authorities that passed, in a language that is not evaluated yet: it fails closed. */
  readonly body: PolicyBodyDocument | undefined;
  readonly mode: 'enforce' | 'warn';
  /** The least transparency level, where the policy says one. */
  readonly minimumTransparency: TransparencyLevel | undefined;
  /** Digest of the canonical `spec` and of the annotations that are read: equal identity, equal meaning. */
  readonly identity: Digest;
}

/**
 * Reads one ClusterImagePolicy (`policy.sigstore.dev/v1beta1`; `v1alpha1` has the same shape and is taken too), parsed
 * from JSON or YAML. An unknown field is a refusal.
 * @throws VerificationError `POLICY_INVALID`, its message naming every fault with its path.
 */
export function parsePolicy(document: unknown): ImagePolicy {
  const shape = policyDocumentSchema.safeParse(document);
  if (!shape.success) throw invalidPolicy(nameOf(document), shape.error.issues.map(describeIssue));
  const level = shape.data.metadata.annotations?.[TRANSPARENCY_ANNOTATION];
  const faults = faultsOf(shape.data);
  if (level !== undefined && !isLevel(level)) {
    faults.push(`invalid value: ${level}: metadata.annotations.${TRANSPARENCY_ANNOTATION}`);
  }
  if (faults.length > 0) throw invalidPolicy(shape.data.metadata.name, faults);
  return policyOf(shape.data, level !== undefined && isLevel(level) ? level : undefined);
}

function policyOf(document: PolicyDocument, minimumTransparency: TransparencyLevel | undefined): ImagePolicy {
  const { metadata, spec } = document;
  const globs = (spec.images ?? []).map(({ glob = '' }) => parseGlob(glob)).filter((glob) => glob !== undefined);
  return {
    name: metadata.name,
    globs,
    match: spec.match ?? [],
    authorities: authoritiesOf(spec.authorities ?? []),
    body: spec.policy,
    mode: spec.mode === 'warn' ? 'warn' : 'enforce',
    minimumTransparency,
    identity: digestOf(canonicalJson([metadata.name, minimumTransparency ?? '', spec])),
  };
}

function isLevel(text: string): text is TransparencyLevel {
  return text !== 'none' && TRANSPARENCY_LEVELS.some((level) => level === text);
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const path = issue.path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  if (issue.code === 'unrecognized_keys') {
    return `unknown field(s): ${issue.keys.map((key) => `${path}.${key}`.slice(1)).join(', ')}`;
  }
  return `${path.slice(1)}: ${issue.message}`;
}

function nameOf(document: unknown): string {
  const parsed = z.looseObject({ metadata: z.looseObject({ name: z.string() }) }).safeParse(document);
  return parsed.success ? parsed.data.metadata.name : '(without a name)';
}

function invalidPolicy(name: string, faults: readonly string[]): VerificationError {
  return new VerificationError('POLICY_INVALID', `ClusterImagePolicy ${name}: ${faults.join('; ')}`, {
    fix: 'correct the policy; docs/policies.md lists the fields',
  });
}
