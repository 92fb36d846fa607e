import { z } from 'zod';

import type { TrustDomain } from '../../trust-root/trust-domain.ts';
import { describeError } from '../kernel/coded-error.ts';
import { KINDS, type KindRef, type KubeObject } from '../kube/kube-object.ts';
import { type ImagePolicy, parsePolicy } from '../verification/policy.ts';
import { trustDomains } from '../verification/trust-domains.ts';
import { parseTrustRootObject } from '../verification/trust-root-object.ts';

/** `policy.sigstore.dev/v1alpha1` is TrustRoot's only version. */
export const TRUST_ROOT_KIND: KindRef = { apiVersion: 'policy.sigstore.dev/v1alpha1', kind: 'TrustRoot' };

/** A policy as it is followed, and what is wrong with it as it is written. */
export interface ReadPolicy {
  readonly policy: ImagePolicy;
  readonly fault?: string;
}

/**
 * A policy as the cluster holds it. An invalid one (written while the webhook was not registered) can't be followed and
 * must not be forgotten: it refuses every image that its globs name, or all when these can't be read either.
 */
export function readPolicy(object: KubeObject): ReadPolicy {
  try {
    return { policy: parsePolicy(object) };
  } catch (error) {
    const fault = describeError(error);
    return { fault, policy: refusingPolicy(object, fault) };
  }
}

/** A TrustRoot as it is followed: a trust domain of its own, or none where it only names one of the TUF chain. */
export interface ReadTrustRoot {
  readonly domain?: TrustDomain;
  readonly fault?: string;
}

/** A TrustRoot as the cluster holds it. With an invalid one there is no such domain, and what needs it is refused. */
export function readTrustRoot(object: KubeObject): ReadTrustRoot {
  try {
    const parsed = parseTrustRootObject(object);
    if (parsed.kind === 'tuf') return {};
    trustDomains([parsed.domain]);
    return { domain: parsed.domain };
  } catch (error) {
    return { fault: describeError(error) };
  }
}

/** Why a ClusterImagePolicy or a TrustRoot would not be followed as it is written; nothing when it would be. */
export function documentFault(object: unknown): string | undefined {
  try {
    const { success } = z.object({ kind: z.literal(TRUST_ROOT_KIND.kind) }).safeParse(object);
    if (!success) parsePolicy(object);
    else {
      const parsed = parseTrustRootObject(object);
      if (parsed.kind === 'keys') trustDomains([parsed.domain]);
    }
    return undefined;
  } catch (error) {
    return describeError(error);
  }
}

const globsSchema = z.object({ images: z.array(z.object({ glob: z.string() })).min(1) });
const EVERYTHING = [{ glob: '**' }];

function refusingPolicy({ metadata: { name }, spec }: KubeObject, fault: string): ImagePolicy {
  const globs = globsSchema.safeParse(spec);
  const refuse = (images: readonly { glob: string }[]): ImagePolicy =>
    parsePolicy({
      apiVersion: KINDS.clusterImagePolicy.apiVersion,
      kind: KINDS.clusterImagePolicy.kind,
      metadata: { name },
      spec: { images, authorities: [{ name: 'invalid', static: { action: 'fail', message: fault.slice(0, 1000) } }] },
    });
  try {
    return refuse(globs.success ? globs.data.images.map(({ glob }) => ({ glob })) : EVERYTHING);
  } catch {
    return refuse(EVERYTHING);
  }
}
