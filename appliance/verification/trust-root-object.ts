import { createPublicKey } from 'node:crypto';

import { z } from 'zod';

import type { TrustDomain } from '../../trust-root/trust-domain.ts';
import { type AuthorityInstance, type LogInstance, writeTrustedRoot } from '../../trust-root/trusted-root.ts';
import { describeError } from '../kernel/coded-error.ts';
import { parseTrustedRoot } from './trust-material.ts';
import { VerificationError } from './verification-error.ts';

/**
 * A TrustRoot of the cluster (`policy.sigstore.dev/v1alpha1`). With `sigstoreKeys` it is a trust domain of its own.
 * With `remote` or `repository` it names a TUF repository, which is never asked here: the domain that the site's own
 * TUF chain holds under the same name is used, and without one the policies that name it are refused.
 */
export type TrustRootObject =
  | { readonly kind: 'keys'; readonly name: string; readonly domain: TrustDomain }
  | { readonly kind: 'tuf'; readonly name: string };

const text = z.string().max(4096);
const base64 = z.base64().max(1024 * 1024);
const logSchema = z.strictObject({
  baseURL: text,
  hashAlgorithm: z.enum(['sha-256', 'sha256', 'SHA2_256']),
  publicKey: base64,
});
const authoritySchema = z.strictObject({
  subject: z.strictObject({ organization: text, commonName: text }),
  uri: text,
  certChain: base64,
});
const tufFields = { targets: text.exactOptional(), trustedRootTarget: text.exactOptional() };
const trustRootSchema = z.strictObject({
  apiVersion: z.literal('policy.sigstore.dev/v1alpha1'),
  kind: z.literal('TrustRoot'),
  metadata: z.looseObject({ name: z.string().min(1).max(253) }),
  spec: z.strictObject({
    remote: z.strictObject({ root: base64, mirror: text, ...tufFields }).exactOptional(),
    repository: z
      .strictObject({ root: base64, mirrorFS: z.string().max(2 * 1024 * 1024), ...tufFields })
      .exactOptional(),
    sigstoreKeys: z
      .strictObject({
        certificateAuthorities: z.array(authoritySchema).max(64).nullish(),
        tLogs: z.array(logSchema).max(64).nullish(),
        ctLogs: z.array(logSchema).max(64).nullish(),
        timestampAuthorities: z.array(authoritySchema).max(64).nullish(),
      })
      .exactOptional(),
  }),
  status: z.unknown().optional(),
});

type LogDocument = z.infer<typeof logSchema>;
type AuthorityDocument = z.infer<typeof authoritySchema>;

/** A TrustRoot says nothing of time: its keys count at any time. */
const ALWAYS = { start: new Date(0) };
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** Reads a TrustRoot. @throws VerificationError `TRUST_ROOT_INVALID`. */
export function parseTrustRootObject(document: unknown): TrustRootObject {
  const shape = trustRootSchema.safeParse(document);
  if (!shape.success) throw invalidTrustRoot(z.prettifyError(shape.error));
  const { metadata, spec } = shape.data;
  const { name } = metadata;
  const present = [spec.remote, spec.repository, spec.sigstoreKeys].filter((one) => one !== undefined);
  if (present.length !== 1) {
    throw invalidTrustRoot(`${name}: expected exactly one of spec.remote, spec.repository, spec.sigstoreKeys`);
  }
  if (spec.sigstoreKeys === undefined) return { kind: 'tuf', name };
  const { certificateAuthorities, tLogs, ctLogs, timestampAuthorities } = spec.sigstoreKeys;
  try {
    const trustedRoot = writeTrustedRoot({
      tlogs: (tLogs ?? []).map(logOf),
      ctlogs: (ctLogs ?? []).map(logOf),
      certificateAuthorities: (certificateAuthorities ?? []).map(authorityOf),
      timestampAuthorities: (timestampAuthorities ?? []).map(authorityOf),
    });
    // Found unfit here, it is one object's fault; found later, it would take every other domain with it.
    parseTrustedRoot(trustedRoot, name);
    return { kind: 'keys', name, domain: { name, trustedRoot, staleness: {} } };
  } catch (cause) {
    throw invalidTrustRoot(`${name}: ${describeError(cause)}`, cause);
  }
}

function logOf({ baseURL, publicKey }: LogDocument): LogInstance {
  return { baseUrl: withoutSlash(baseURL), publicKey: createPublicKey(pemOf(publicKey)), period: ALWAYS };
}

function authorityOf({ subject, uri, certChain }: AuthorityDocument): AuthorityInstance {
  const certificates = pemOf(certChain).match(CERTIFICATE) ?? [];
  return { uri: withoutSlash(uri), certificates, period: ALWAYS, ...subject };
}

function pemOf(encoded: string): string {
  return Buffer.from(encoded, 'base64').toString('latin1');
}

function withoutSlash(url: string): string {
  return url.endsWith('/') ? url.slice(0, -1) : url;
}

function invalidTrustRoot(message: string, cause?: unknown): VerificationError {
  return new VerificationError('TRUST_ROOT_INVALID', `TrustRoot ${message}`, { cause });
}
