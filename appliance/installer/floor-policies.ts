import { readFile, stat } from 'node:fs/promises';

import { loadAll } from 'js-yaml';

import { parsePolicy } from '../verification/policy.ts';
import { InstallerError } from './installer-error.ts';
import type { InstallWorld } from './step.ts';

const MAX_FILE_BYTES = 1024 * 1024;

function documentsIn(text: string, what: string): unknown[] {
  let documents: unknown[];
  try {
    documents = loadAll(text).filter((document) => document !== null && document !== undefined);
    for (const document of documents) parsePolicy(document);
  } catch (cause) {
    throw new InstallerError('REFUSED', `${what}: not a ClusterImagePolicy that can be followed`, {
      cause,
      fix: `correct ${what}`,
    });
  }
  return documents;
}

async function readBounded(file: string): Promise<string> {
  try {
    if ((await stat(file)).size <= MAX_FILE_BYTES) return await readFile(file, 'utf8');
  } catch (cause) {
    throw new InstallerError('REFUSED', `${file}: can't be read`, {
      cause,
      fix: 'correct policies in the configuration',
    });
  }
  throw new InstallerError('REFUSED', `${file}: larger than ${MAX_FILE_BYTES} bytes`);
}

/** The policies that are published through TUF: those of the bundle, then those of the configuration. */
export async function floorPolicies({ bundle, config }: Pick<InstallWorld, 'bundle' | 'config'>): Promise<unknown[]> {
  const brought = (await bundle.policies()).flatMap((text, index) =>
    documentsIn(text, `policy ${index + 1} of the bundle`),
  );
  const own: unknown[] = [];
  for (const file of config.policies) own.push(...documentsIn(await readBounded(file), file));
  return [...brought, ...own];
}
