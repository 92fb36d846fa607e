import type { RepositoryState } from './repository-state.ts';
import type { RepositoryStore } from './repository-store.ts';
import { TrustRootError } from './trust-root-error.ts';
import { consistentName } from './tuf-client.ts';
import { parseTargets, type TargetsDocument } from './tuf-documents.ts';

/** Versions of a role's metadata that stay besides the current one, for clients that are in the middle of an update. */
const KEPT_VERSIONS = 2;

/**
 * Takes away metadata and targets that no recent state leads to. Roots stay for ever, and so does what a publisher may
 * just be putting in: metadata above the current version, and the targets that it names.
 * @returns the names taken away.
 */
export async function pruneRepository(store: RepositoryStore, state: RepositoryState): Promise<string[]> {
  const keptTargets = new Set<string>();
  const old: string[] = [];
  for (const name of state.names) {
    const file = metadataFile(name);
    if (file === undefined) continue;
    const current = file.role === 'snapshot' ? state.snapshot.version : state.roles.get(file.role)?.version;
    if (current === undefined || file.version >= current - KEPT_VERSIONS) {
      if (file.role !== 'snapshot') await addTargets(store, name, keptTargets);
    } else old.push(name);
  }
  old.push(...state.names.filter((name) => name.startsWith('targets/') && !keptTargets.has(name)));
  await store.remove(old);
  return old;
}

function metadataFile(name: string): { role: string; version: number } | undefined {
  const [, version, role] = /^(\d+)\.(.+)\.json$/.exec(name) ?? [];
  if (version === undefined || role === undefined || role === 'root' || name.includes('/')) return undefined;
  return { role: decodeURIComponent(role), version: Number(version) };
}

async function addTargets(store: RepositoryStore, name: string, kept: Set<string>): Promise<void> {
  const bytes = await store.read(name);
  if (bytes === undefined) return;
  let document: TargetsDocument;
  try {
    document = parseTargets(bytes, name);
  } catch (error) {
    // What a broken-off or foreign write left is no reason to keep anything.
    if (error instanceof TrustRootError) return;
    throw error;
  }
  for (const [target, { hashes }] of document.targets) kept.add(`targets/${consistentName({ name: target, hashes })}`);
}
