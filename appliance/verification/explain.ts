import type { LeafCertificate } from './leaf-certificate.ts';
import type { Wanted, WantedIdentity } from './policy-authority.ts';
import { COSIGN_SIGNATURE_TYPE } from './statement.ts';
import type { Reason, Signer, Verdict } from './verdict.ts';

/** "a signature" or "an attestation of the type …", as messages call what an authority wants. */
export function nameOf(predicateType: string): string {
  return predicateType === COSIGN_SIGNATURE_TYPE ? 'signature' : `attestation of the type ${quoted(predicateType)}`;
}

/** What a developer reads when the signer is somebody else. */
export function foreignIdentity(leaf: LeafCertificate, wanted: readonly WantedIdentity[]): string {
  const signer = leaf.subjects.map(quoted).join(', ') || 'a certificate without a subject';
  const listed = wanted.slice(0, 3).map(({ subject, issuer }) => `${describe(subject)} via ${describe(issuer)}`);
  const more = wanted.length > 3 ? ` (or ${wanted.length - 3} others)` : '';
  return `it was signed by ${signer} via ${quoted(leaf.issuer)}, but the policy wants ${listed.join(' or ')}${more}`;
}

function describe(wanted: Wanted): string {
  return wanted.kind === 'exact' ? quoted(wanted.text) : `the pattern ${wanted.pattern.source.slice(0, 200)}`;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 300));
}

/** The signer in a few words. */
export function describeSigner(signer: Signer): string {
  return signer.kind === 'key' ? `the key ${signer.fingerprint}` : `${signer.subject} via ${signer.issuer}`;
}

/** One line about a reason: `CODE: message (policy P, authority A)`. */
export function explainReason({ code, message, policy, authority }: Reason): string {
  const where = [
    policy === undefined ? [] : [`policy ${policy}`],
    authority === undefined ? [] : [`authority ${authority}`],
  ].flat();
  return `${code}: ${message}${where.length === 0 ? '' : ` (${where.join(', ')})`}`;
}

/** A verdict in lines: what was decided, then each reason or signer, then warnings. */
export function explainVerdict(verdict: Verdict): string[] {
  const warnings = verdict.warnings.map((reason) => `  warning: ${explainReason(reason)}`);
  if (verdict.kind === 'denied') {
    return [
      `${verdict.image} is denied`,
      ...verdict.reasons.map((reason) => `  ${explainReason(reason)}`),
      ...warnings,
    ];
  }
  const signers = verdict.policies.flatMap(({ policy, authorities }) =>
    authorities.flatMap(({ accepted }) =>
      accepted.map(
        ({ signer, transparency }) => `  policy ${policy}: ${describeSigner(signer)}, log entry ${transparency}`,
      ),
    ),
  );
  return [`${verdict.image} is admitted`, ...new Set(signers), ...warnings];
}
