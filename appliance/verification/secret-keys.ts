import { type Digest, digestOf } from '../kernel/digest.ts';
import { canonicalJson } from '../kernel/json.ts';
import type { ImagePolicy } from './policy.ts';

/**
 * The only namespace whose Secrets policies take keys from. RBAC can't narrow a right to Secrets whose names are not
 * known beforehand, so they have a namespace of their own, apart from Sealift's keys and certificates.
 */
export const POLICY_KEYS_NAMESPACE = 'sealift-policy-keys';

/** Whether a `secretRef.namespace` means {@link POLICY_KEYS_NAMESPACE}: written out, or left out. */
export function isPolicyKeysNamespace(namespace: string | undefined): boolean {
  return namespace === undefined || namespace === '' || namespace === POLICY_KEYS_NAMESPACE;
}

/** A Secret as a policy's `secretRef` names it. */
export interface SecretName {
  readonly name: string;
  readonly namespace: string | undefined;
}

/** The key in a Secret, or why there is none. */
export type SecretKey =
  | { readonly kind: 'key' /** Text with a PEM public key. */; readonly pem: string }
  | {
      readonly kind: 'none' /** A whole sentence without a full stop, for the author of the policy. */;
      readonly why: string;
    };

/** Looks up the key that a policy takes from a Secret. Equal questions get equal answers for as long as it is used. */
export type SecretKeys = (secret: SecretName) => SecretKey;

/** Where no Secret can be read: from files, for one. */
export const NO_SECRET_KEYS: SecretKeys = ({ name }) => ({
  kind: 'none',
  why: `the Secret ${name} can't be read here`,
});

/** Digest over all that policies take from Secrets: a part of what a verdict rests on, beside the policies themselves. */
export function secretKeysIdentity(policies: readonly ImagePolicy[], secretKeys: SecretKeys = NO_SECRET_KEYS): Digest {
  const taken = policies.flatMap(({ authorities }) =>
    authorities.flatMap((authority) => {
      if (authority.kind !== 'key' || authority.source.kind !== 'secret') return [];
      const { name, namespace } = authority.source;
      const key = secretKeys({ name, namespace });
      return [[namespace ?? '', name, key.kind, key.kind === 'key' ? key.pem : key.why]];
    }),
  );
  return digestOf(canonicalJson(taken));
}
