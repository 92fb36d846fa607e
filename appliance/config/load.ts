import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';

import { load as parseYaml } from 'js-yaml';
import type { z } from 'zod';

import { ConfigError } from './config-error.ts';
import { type ApplianceConfig, applianceSchema } from './schema.ts';

const MAX_FILE_BYTES = 1024 * 1024;

/**
 * Reads `appliance.yaml`. File names in it are made absolute, relative to the file itself.
 * @throws ConfigError `CONFIG_MISSING`, `CONFIG_INVALID` with each wrong field, its path and the form that is expected.
 */
export async function loadConfig(file: string): Promise<ApplianceConfig> {
  const text = await readBounded(file);
  let document: unknown;
  try {
    document = parseYaml(text, { filename: file });
  } catch (cause) {
    throw new ConfigError('CONFIG_INVALID', `${file}: not YAML`, { cause, fix: `correct ${file} and run again` });
  }
  return withAbsolutePaths(parseConfig(document, file), path.dirname(path.resolve(file)));
}

/** Checks a configuration. @param what names its source in errors. @throws ConfigError `CONFIG_INVALID`. */
export function parseConfig(document: unknown, what: string): ApplianceConfig {
  const parsed = applianceSchema.safeParse(document);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.flatMap(describeIssue).map((line) => `\n  ${line}`);
  throw new ConfigError('CONFIG_INVALID', `${what}: ${lines.length} wrong:${lines.join('')}`, {
    fix: 'correct these fields; docs/install.md lists all of them',
  });
}

function describeIssue(issue: z.core.$ZodIssue): string[] {
  const where = (extra: string[] = []): string => [...issue.path.map(String), ...extra].join('.') || '(the whole file)';
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${where([key])}: there is no such field`);
  if (issue.code === 'invalid_value') return [`${where()}: expected ${issue.values.map(String).join(' or ')}`];
  if (issue.code === 'invalid_union' && issue.discriminator !== undefined) {
    return [`${where()}: not one of the forms it can take`];
  }
  const expected = issue.code === 'invalid_type' ? `expected ${issue.expected}` : issue.message;
  return [`${where()}: ${expected}`];
}

async function readBounded(file: string): Promise<string> {
  try {
    if ((await stat(file)).size > MAX_FILE_BYTES) {
      throw new ConfigError('CONFIG_INVALID', `${file}: larger than ${MAX_FILE_BYTES} bytes`);
    }
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw new ConfigError('CONFIG_MISSING', `${file}: can't be read`, { cause, fix: 'name the file with --config' });
  }
}

/** The same configuration with its file names made absolute, relative to `folder`. */
export function withAbsolutePaths(config: ApplianceConfig, folder: string): ApplianceConfig {
  const absolute = (file: string): string => path.resolve(folder, file);
  const { passphrase } = config.keys;
  const { registry } = config;
  const external = registry.kind === 'external' && registry.caFile !== undefined;
  return {
    ...config,
    registry: external ? { ...registry, caFile: absolute(registry.caFile ?? '') } : registry,
    keys: {
      ...config.keys,
      stateDir: absolute(config.keys.stateDir),
      passphrase: passphrase.from === 'file' ? { ...passphrase, path: absolute(passphrase.path) } : passphrase,
    },
    policies: config.policies.map(absolute),
  };
}
