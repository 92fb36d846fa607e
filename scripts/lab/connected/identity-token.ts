import { type KeyObject, randomUUID, sign } from 'node:crypto';
import { ISSUERS } from './upstream.ts';

/** Who a signing certificate is to be for. */
export type Signer =
  | { readonly kind: 'person'; readonly email: string }
  | { readonly kind: 'workflow'; readonly repository: string; readonly workflow: string; readonly ref: string };

/** What a verifier sees of a signer: the certificate's subject and the issuer that vouched for it. */
export interface SignerIdentity {
  readonly subject: string;
  readonly issuer: string;
}

/** The host that the workflows' sources are at, in their subjects. */
export const SOURCE_HOST = 'https://git.acme.example';

/** What Fulcio will put into a certificate for `signer`. */
export function identityOf(signer: Signer): SignerIdentity {
  if (signer.kind === 'person') return { subject: signer.email, issuer: ISSUERS.accounts };
  const { repository, workflow, ref } = signer;
  return { subject: `${SOURCE_HOST}/${repository}/.ci/workflows/${workflow}@${ref}`, issuer: ISSUERS.ci };
}

function claimsOf(signer: Signer): Record<string, unknown> {
  if (signer.kind === 'person') return { sub: signer.email, email: signer.email, email_verified: true };
  const { repository, workflow, ref } = signer;
  return {
    sub: `repo:${repository}:ref:${ref}`,
    repository,
    ref,
    job_workflow_ref: `${repository}/.ci/workflows/${workflow}@${ref}`,
    sha: '0123456789abcdef0123456789abcdef01234567',
    event_name: 'push',
    runner_environment: 'hosted',
    run_id: '1',
  };
}

/** The id of the issuers' one key. */
export const KEY_ID = 'acme-1';
const LIFETIME_S = 600;

/** An OpenID Connect identity token for `signer`, for audience `sigstore`, ES256. */
export function identityToken(signer: Signer, key: KeyObject): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: identityOf(signer).issuer,
    aud: 'sigstore',
    iat: now,
    nbf: now - 60,
    exp: now + LIFETIME_S,
    jti: randomUUID(),
    ...claimsOf(signer),
  };
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const signed = `${part({ alg: 'ES256', typ: 'JWT', kid: KEY_ID })}.${part(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' });
  return `${signed}.${signature.toString('base64url')}`;
}
