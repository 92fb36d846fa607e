import { readFile } from 'node:fs/promises';
import path from 'node:path';

import { DEFAULT_POLICY, parseRepositoryPolicy, type RepositoryPolicy } from '../../trust-root/repository-policy.ts';
import { type TargetContent, targetContent } from '../../trust-root/target-content.ts';
import { TrustRootError } from '../../trust-root/trust-root-error.ts';
import { parseJson } from '../kernel/json.ts';

/** Reads a file that the operator named. @throws TrustRootError `CONFIG_INVALID`. */
export function readInput(file: string): Promise<Buffer> {
  return readFile(file).catch((cause: unknown) => {
    throw new TrustRootError('CONFIG_INVALID', `${file}: could not be read`, { cause });
  });
}

/** Reads `NAME=FILE` arguments into targets. @throws TrustRootError `CONFIG_INVALID`. */
export async function readTargets(entries: readonly string[], cwd: string): Promise<Map<string, TargetContent>> {
  const targets = new Map<string, TargetContent>();
  for (const entry of entries) {
    const [, name, file] = /^([^=]+)=(.+)$/.exec(entry) ?? [];
    if (name === undefined || file === undefined) {
      throw new TrustRootError('CONFIG_INVALID', `${JSON.stringify(entry)}: not NAME=FILE`);
    }
    targets.set(name, targetContent(await readInput(path.resolve(cwd, file))));
  }
  return targets;
}

/** Reads a file of expiries; the defaults without one. @throws TrustRootError `CONFIG_INVALID`. */
export async function readExpiries(file: string | undefined): Promise<RepositoryPolicy> {
  if (file === undefined) return DEFAULT_POLICY;
  return parseRepositoryPolicy(parseJson(await readInput(file), file, { maxBytes: 64 * 1024 }));
}
