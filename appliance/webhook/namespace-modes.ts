/** What happens to a workload that is not admitted: it is refused, or its author is warned. */
export type NamespaceMode = 'enforce' | 'warn';

/** Where the modes are kept: a ConfigMap that only administrators write. */
export const MODES_CONFIG_MAP = { namespace: 'sealift-system', name: 'sealift-modes' } as const;

/** The key for namespaces that are not named. An underscore can't be in a namespace's name, so it can't be mistaken. */
export const DEFAULT_MODE_KEY = '_default';

/** The mode of each namespace. */
export interface NamespaceModes {
  modeOf(namespace: string): NamespaceMode;
  /** Entries that are neither `enforce` nor `warn`; these namespaces are enforced. */
  readonly faults: readonly string[];
}

/** Every namespace enforced: what counts while the ConfigMap is missing or can't be read. */
export const ENFORCE_EVERYWHERE: NamespaceModes = { modeOf: () => 'enforce', faults: [] };

/** Reads the ConfigMap's `data`: namespace to mode. Only the exact word `warn` turns enforcing off. */
export function parseNamespaceModes(data: Readonly<Record<string, unknown>>): NamespaceModes {
  const modes = new Map(Object.entries(data));
  const faults = [...modes]
    .filter(([, mode]) => mode !== 'enforce' && mode !== 'warn')
    .map(([namespace]) => `${namespace}: neither enforce nor warn, so it is enforced`);
  return {
    faults,
    modeOf: (namespace) => {
      const mode = modes.has(namespace) ? modes.get(namespace) : modes.get(DEFAULT_MODE_KEY);
      return mode === 'warn' ? 'warn' : 'enforce';
    },
  };
}
