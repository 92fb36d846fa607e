import { pemChain } from './certificates.ts';
import { publicKeyPem } from './keys.ts';
import { type SigningConfigContent, writeSigningConfig } from './signing-config.ts';
import { type TargetContent, targetContent } from './target-content.ts';
import { TrustRootError } from './trust-root-error.ts';
import { type TrustedRootContent, writeTrustedRoot } from './trusted-root.ts';

/** The trust material of a site's own Sigstore. */
export interface SiteTrust {
  readonly trustedRoot: TrustedRootContent;
  readonly signingConfig: SigningConfigContent;
  /** ClusterImagePolicy objects that the cluster's own can't weaken. */
  readonly policies?: readonly unknown[];
  /** The newest verified checkpoint of each log, as `anchors.json` carries them. */
  readonly anchors?: readonly unknown[];
}

/** All top-level targets of a site's repository, by name: trusted root, signing config, legacy targets, policies, anchors. */
export function siteTargets(trust: SiteTrust): Map<string, TargetContent> {
  const json = (value: unknown): TargetContent => targetContent(`${JSON.stringify(value, undefined, 2)}\n`);
  return new Map([
    ['trusted_root.json', targetContent(writeTrustedRoot(trust.trustedRoot))],
    ['signing_config.v0.2.json', targetContent(writeSigningConfig(trust.signingConfig))],
    ['policies.json', json({ schemaVersion: 1, policies: trust.policies ?? [] })],
    ['anchors.json', json({ schemaVersion: 1, anchors: trust.anchors ?? [] })],
    ...legacyTargets(trust.trustedRoot),
  ]);
}

/**
 * The targets that clients before `trusted_root.json` read (cosign 2, Kyverno, policy-controller), found by their
 * `sigstore` custom metadata. The instances in use, and for Fulcio root and intermediates each on its own.
 */
function legacyTargets(content: TrustedRootContent): [string, TargetContent][] {
  const [rekor, ctlog] = [newest(content.tlogs), newest(content.ctlogs)];
  const [fulcio, tsa] = [newest(content.certificateAuthorities), newest(content.timestampAuthorities)];
  const targets: [string, TargetContent][] = [];
  const add = (name: string, text: string, { usage, uri }: { usage: string; uri: string }): void => {
    targets.push([name, targetContent(text, { sigstore: { usage, status: 'Active', uri } })]);
  };
  if (rekor !== undefined) add('rekor.pub', publicKeyPem(rekor.publicKey), { usage: 'Rekor', uri: rekor.baseUrl });
  if (ctlog !== undefined) add('ctfe.pub', publicKeyPem(ctlog.publicKey), { usage: 'CTFE', uri: ctlog.baseUrl });
  if (fulcio !== undefined) {
    const [root, ...intermediates] = [...fulcio.certificates].reverse();
    add('fulcio_v1.crt.pem', pemChain(root ?? ''), { usage: 'Fulcio', uri: fulcio.uri });
    if (intermediates.length > 0) {
      add('fulcio_intermediate_v1.crt.pem', pemChain(...intermediates.reverse()), { usage: 'Fulcio', uri: fulcio.uri });
    }
  }
  if (tsa !== undefined) add('tsa.certchain.pem', pemChain(...tsa.certificates), { usage: 'TSA', uri: tsa.uri });
  return targets;
}

function newest<T extends { readonly period: { readonly start: Date; readonly end?: Date } }>(
  instances: readonly T[],
): T | undefined {
  const current = instances.filter(({ period }) => period.end === undefined);
  if (instances.length > 0 && current.length === 0) {
    throw new TrustRootError('DOCUMENT_INVALID', 'every instance of a service is retired; one must be in use');
  }
  return [...current].sort((a, b) => b.period.start.getTime() - a.period.start.getTime())[0];
}
