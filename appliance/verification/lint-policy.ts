import { isAnchored } from './pattern.ts';
import type { ImagePolicy } from './policy.ts';
import type { Authority, KeyAuthority, KeylessAuthority, Wanted } from './policy-authority.ts';
import { isPolicyKeysNamespace, POLICY_KEYS_NAMESPACE } from './secret-keys.ts';

/** Things in a valid policy that mean something else than they seem to, or that never pass here; one line each. */
export function lintPolicy(policy: ImagePolicy): string[] {
  const { globs, authorities, body } = policy;
  return [
    ...globs.flatMap(({ text }) => lintGlob(text)),
    ...authorities.flatMap(lintAuthority),
    ...(body === undefined ? [] : [`spec.policy: ${neverPasses(body.type)}`]),
  ];
}

function lintGlob(glob: string): string[] {
  const lints: string[] = [];
  const last = glob.slice(glob.lastIndexOf('/') + 1);
  if (last.includes(':') && !last.includes('@')) {
    lints.push(`glob ${glob}: images are matched by digest, so a glob with a tag never matches`);
  }
  if (/[a-z0-9]\*+$/.test(glob))
    lints.push(`glob ${glob}: it also matches names that go on, such as ${last.replace(/\*+$/, '')}-evil`);
  if (!/^[^/]*[.:*]|^localhost\//.test(glob)) {
    lints.push(`glob ${glob}: it names no registry, and images are matched by their full name`);
  }
  return lints;
}

function lintAuthority(authority: Authority): string[] {
  if (authority.kind === 'static') return [];
  const lints = authority.kind === 'keyless' ? lintKeyless(authority) : lintKey(authority);
  for (const { name, body } of authority.attestations) {
    if (body !== undefined) lints.push(`attestation ${name}: ${neverPasses(body.type)}`);
  }
  return lints.map((line) => `authority ${authority.name}: ${line}`);
}

function lintKey({ source, log, timestamp }: KeyAuthority): string[] {
  if (source.kind === 'kms')
    return [`key ${source.uri}: a disconnected site can't ask key services, so it never passes`];
  const lints: string[] = [];
  if (source.kind === 'secret' && !isPolicyKeysNamespace(source.namespace)) {
    lints.push(
      `secretRef.namespace: keys are read from ${POLICY_KEYS_NAMESPACE} only, so it never passes; leave it out`,
    );
  }
  if (log === undefined && timestamp === undefined) lints.push('without ctlog, no transparency log is looked at');
  return lints;
}

function lintKeyless({ identities, hasOwnCa }: KeylessAuthority): string[] {
  const lints = identities.flatMap(({ issuer, subject }) => [
    ...lintPattern('issuerRegExp', issuer),
    ...lintPattern('subjectRegExp', subject),
  ]);
  return hasOwnCa ? [...lints, 'ca-cert is not supported, so it never passes'] : lints;
}

function lintPattern(field: string, wanted: Wanted): string[] {
  if (wanted.kind === 'exact' || isAnchored(wanted.pattern.source)) return [];
  const { source } = wanted.pattern;
  return [`${field} ${source}: it matches anywhere inside; write ^(?:${source})$ to match all of it`];
}

function neverPasses(language = 'a policy language'): string {
  return `${language} is not evaluated yet, so it never passes`;
}
