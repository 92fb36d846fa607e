import { createHash } from 'node:crypto';

import { TrustRootError } from './trust-root-error.ts';
import type { DelegatedRole, Delegations, RoleKeys, TargetFile, TargetsDocument } from './tuf-documents.ts';

/** A target, and the role that describes it. */
export interface ResolvedTarget extends TargetFile {
  readonly name: string;
  readonly role: string;
}

/** A role, and the role that delegates to it. */
export interface DelegationEdge {
  readonly role: string;
  readonly delegator: string;
}

/** What a search for a target came to: it, that there is none, or a role that must be loaded to go on. */
export type SearchOutcome =
  | { readonly kind: 'found'; readonly target: ResolvedTarget }
  | { readonly kind: 'absent' }
  | { readonly kind: 'needs'; readonly edge: DelegationEdge };

/** Most roles that one search visits; python-tuf and tuf-js take 32. */
const MAX_VISITED = 32;

/**
 * Preorder depth-first search through the delegations (TUF spec 5.6.7), in order of appearance; a terminating delegation
 * ends the search behind it, whether it has the target or not.
 * @param roleOf gives a loaded role as `edge.delegator` trusts it; `undefined` when it is not loaded yet.
 * @throws TrustRootError `DELEGATIONS_TOO_MANY` past 32 roles.
 */
export function searchTarget(
  name: string,
  roleOf: (edge: DelegationEdge) => TargetsDocument | undefined,
): SearchOutcome {
  const toVisit: DelegationEdge[] = [{ role: 'targets', delegator: 'root' }];
  const visited = new Set<string>();
  for (let edge = toVisit.pop(); edge !== undefined; edge = toVisit.pop()) {
    // 5.6.7.1: a role already visited is skipped: cycles end here.
    if (visited.has(edge.role)) continue;
    if (visited.size >= MAX_VISITED) {
      throw new TrustRootError('DELEGATIONS_TOO_MANY', `${name}: the search visits more than ${MAX_VISITED} roles`);
    }
    const document = roleOf(edge);
    if (document === undefined) return { kind: 'needs', edge };
    const target = document.targets.get(name);
    if (target !== undefined) return { kind: 'found', target: { ...target, name, role: edge.role } };
    visited.add(edge.role);
    const { roles, terminated } = delegatedFor(name, document.delegations);
    if (terminated) toVisit.length = 0;
    const delegator = edge.role;
    toVisit.push(...roles.map((role) => ({ role, delegator })).reverse());
  }
  return { kind: 'absent' };
}

function delegatedFor(name: string, delegations: Delegations | undefined): { roles: string[]; terminated: boolean } {
  if (delegations === undefined) return { roles: [], terminated: false };
  if (delegations.succinct !== undefined && delegations.roles.length === 0) {
    return { roles: [binFor(name, delegations)], terminated: true };
  }
  const roles: string[] = [];
  for (const role of delegations.roles) {
    if (!covers(role, name)) continue;
    roles.push(role.name);
    if (role.terminating) return { roles, terminated: true };
  }
  return { roles, terminated: false };
}

function covers({ paths, pathHashPrefixes }: DelegatedRole, name: string): boolean {
  if (paths !== undefined) return paths.some((pattern) => matchesPathPattern(name, pattern));
  return pathHashPrefixes?.some((prefix) => sha256Hex(name).startsWith(prefix)) ?? false;
}

/** The keys that `delegations` names for `role`; `undefined` when it does not delegate to it. */
export function delegatedKeys(delegations: Delegations | undefined, role: string): RoleKeys | undefined {
  const named = delegations?.roles.find((candidate) => candidate.name === role);
  if (named !== undefined) return named;
  const bins = delegations?.succinct;
  if (bins === undefined || !role.startsWith(`${bins.namePrefix}-`)) return undefined;
  const suffix = role.slice(bins.namePrefix.length + 1);
  const width = (2 ** bins.bitLength - 1).toString(16).length;
  const isBin =
    suffix.length === width && /^[0-9a-f]+$/.test(suffix) && Number.parseInt(suffix, 16) < 2 ** bins.bitLength;
  return isBin ? bins : undefined;
}

/** TAP 15: the first `bitLength` bits of the path's sha256 choose the bin. */
function binFor(name: string, { succinct }: Delegations): string {
  if (succinct === undefined) return '';
  const first = createHash('sha256').update(name).digest().readUInt32BE();
  const bin = first >>> (32 - succinct.bitLength);
  const width = (2 ** succinct.bitLength - 1).toString(16).length;
  return `${succinct.namePrefix}-${bin.toString(16).padStart(width, '0')}`;
}

function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/**
 * TUF's PATHPATTERN (spec §4.5): `*` is any run of characters and `?` any one, neither crosses `/`; all else is literal.
 * Linear in the pattern for each part; patterns come from metadata and must not be able to hang a node.
 */
export function matchesPathPattern(name: string, pattern: string): boolean {
  const parts = name.split('/');
  const patterns = pattern.split('/');
  return parts.length === patterns.length && parts.every((part, index) => matchesPart(part, patterns[index] ?? ''));
}

function matchesPart(text: string, pattern: string): boolean {
  let at = 0;
  let inPattern = 0;
  let star = -1;
  let resumeAt = 0;
  while (at < text.length) {
    if (pattern[inPattern] === '*') {
      star = inPattern;
      resumeAt = at;
      inPattern += 1;
    } else if (pattern[inPattern] === '?' || pattern[inPattern] === text[at]) {
      at += 1;
      inPattern += 1;
    } else if (star !== -1) {
      inPattern = star + 1;
      resumeAt += 1;
      at = resumeAt;
    } else return false;
  }
  return /^\**$/.test(pattern.slice(inPattern));
}
