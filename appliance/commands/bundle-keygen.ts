import path from 'node:path';

import { Command } from '@commander-js/extra-typings';

import { BundleError } from '../bundle/bundle-error.ts';
import { makeReleaseKey, type PassphraseSource, readPassphrase } from '../bundle/release-key.ts';
import type { Runtime } from '../runtime.ts';

/** `sealift bundle keygen`: makes the key that archives are signed with. */
export function bundleKeygenCommand(
  runtime: Runtime,
): Command<[], { output: string; passphraseEnv?: string; passphraseFile?: string }> {
  return new Command('keygen')
    .description('make the encrypted key that archives are signed with, and print its fingerprint')
    .requiredOption('-o, --output <file>', 'the key; its public half goes to FILE.pub')
    .option('--passphrase-env <name>', 'environment variable that holds the passphrase')
    .option('--passphrase-file <file>', 'file whose first line is the passphrase')
    .action(async (options) => {
      const passphrase = await readPassphrase(sourceOf(options, runtime.cwd), runtime.env);
      const file = path.resolve(runtime.cwd, options.output);
      const fingerprint = await makeReleaseKey(file, passphrase);
      runtime.stderr.write(`${file} (keep it secret), ${file}.pub\n`);
      runtime.stdout.write(`${fingerprint}\n`);
    });
}

function sourceOf(
  { passphraseEnv, passphraseFile }: { passphraseEnv?: string | undefined; passphraseFile?: string | undefined },
  cwd: string,
): PassphraseSource {
  if (passphraseEnv !== undefined && passphraseFile === undefined) return { from: 'env', name: passphraseEnv };
  if (passphraseFile !== undefined && passphraseEnv === undefined) {
    return { from: 'file', path: path.resolve(cwd, passphraseFile) };
  }
  throw new BundleError('PASSPHRASE_MISSING', 'give either --passphrase-env or --passphrase-file');
}
