import { parse } from 'smol-toml';

import { InstallerError } from './installer-error.ts';

/** Where registries' folders are configured, by the version of the configuration file. */
const SECTIONS: Readonly<Record<number, readonly string[]>> = {
  2: ['plugins', 'io.containerd.grpc.v1.cri', 'registry'],
  3: ['plugins', 'io.containerd.cri.v1.images', 'registry'],
};

/** What a containerd configuration says about registries. */
export type RegistryConfig =
  | { readonly kind: 'configured'; readonly configPath: string }
  | {
      readonly kind: 'missing';
      /** The file as it should be. */
      readonly corrected: string;
    };

type Table = Readonly<Record<string, unknown>>;

function tableAt(document: Table, path: readonly string[]): Table | undefined {
  let current: unknown = document;
  for (const part of path) {
    if (typeof current !== 'object' || current === null) return undefined;
    current = (current as Table)[part];
  }
  return typeof current === 'object' && current !== null ? (current as Table) : undefined;
}

/**
 * Looks into `config.toml` for the folder of `hosts.toml` files; works out the file with it when it isn't named.
 * @param text the file; empty when there is none.
 * @throws InstallerError `NODE_FAILED` when the file can't be read or configures registries in the old way.
 */
export function registryConfig(text: string, configPath: string): RegistryConfig {
  const document = parseToml(text);
  const version = typeof document['version'] === 'number' ? document['version'] : text.trim() === '' ? 2 : 1;
  const section = SECTIONS[version];
  if (section === undefined) {
    throw new InstallerError('NODE_FAILED', `containerd's configuration has version ${version}, 2 or 3 is needed`, {
      fix: 'containerd config migrate',
    });
  }
  const registry = tableAt(document, section);
  const present = registry?.['config_path'];
  if (typeof present === 'string' && present !== '') return { kind: 'configured', configPath: present };
  const old = ['mirrors', 'configs'].find((name) => Object.keys(tableAt(registry ?? {}, [name]) ?? {}).length > 0);
  if (old !== undefined) {
    throw new InstallerError(
      'NODE_FAILED',
      `containerd's configuration has registry.${old}, which excludes config_path`,
      {
        fix: `move these settings into ${configPath}/HOST/hosts.toml`,
      },
    );
  }
  return { kind: 'missing', corrected: withConfigPath(text, { section, version, configPath }) };
}

function parseToml(text: string): Table {
  try {
    return parse(text);
  } catch (cause) {
    throw new InstallerError('NODE_FAILED', "containerd's configuration is not TOML", { cause });
  }
}

interface Insertion {
  readonly section: readonly string[];
  readonly version: number;
  readonly configPath: string;
}

/** Puts the setting in as text, so that comments and order of the rest stay. The result is read back. */
function withConfigPath(text: string, { section, version, configPath }: Insertion): string {
  const [root = '', plugin = '', name = ''] = section;
  const setting = `config_path = ${JSON.stringify(configPath)}`;
  const header = new RegExp(
    `^([ \\t]*)\\[[ \\t]*${root}[ \\t]*\\.[ \\t]*["']${plugin.replaceAll('.', '\\.')}["'][ \\t]*\\.[ \\t]*["']?${name}["']?[ \\t]*\\][ \\t]*(#.*)?$`,
    'm',
  );
  const empty = /^([ \t]*)config_path[ \t]*=[ \t]*(["'])\2[ \t]*(#.*)?$/m;
  const found = header.exec(text);
  const start = text.trim() === '' ? `version = ${version}\n` : text.endsWith('\n') ? text : `${text}\n`;
  const corrected =
    found === null
      ? `${start}\n[${root}."${plugin}".${name}]\n  ${setting}\n`
      : text.slice(found.index).search(empty) >= 0
        ? text.slice(0, found.index) + text.slice(found.index).replace(empty, `$1${setting}`)
        : text.replace(header, (line, indent: string) => `${line}\n${indent}  ${setting}`);
  if (tableAt(parseToml(corrected), section)?.['config_path'] === configPath) return corrected;
  throw new InstallerError('NODE_FAILED', "containerd's configuration can't be changed safely", {
    fix: `add ${setting} to [${root}."${plugin}".${name}] yourself, and restart containerd`,
  });
}
