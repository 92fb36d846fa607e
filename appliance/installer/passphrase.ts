import { readFile } from 'node:fs/promises';

import type { ApplianceConfig } from '../config/schema.ts';
import type { Person } from './ask.ts';
import { InstallerError } from './installer-error.ts';

const MIN_LENGTH = 12;

/** What a passphrase can be got from. */
export interface PassphraseSources {
  readonly config: ApplianceConfig['keys']['passphrase'];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The person at the terminal; throws when there is none. */
  readonly person: () => Person;
  /** True when no key was made yet: a person is asked twice. */
  readonly isNew: () => Promise<boolean>;
}

/** Gets the passphrase of the offline keys. @throws InstallerError `PASSPHRASE_NEEDED`. */
export async function readPassphrase(sources: PassphraseSources): Promise<string> {
  const passphrase = await passphraseFrom(sources);
  if (passphrase.length >= MIN_LENGTH) return passphrase;
  throw new InstallerError('PASSPHRASE_NEEDED', `the passphrase has less than ${MIN_LENGTH} characters`, {
    fix: 'choose a longer one',
  });
}

async function passphraseFrom({ config, env, person, isNew }: PassphraseSources): Promise<string> {
  if (config.from === 'env') {
    const text = env[config.name];
    if (text !== undefined && text !== '') return text;
    throw new InstallerError('PASSPHRASE_NEEDED', `the environment variable ${config.name} is empty`);
  }
  if (config.from === 'file') return firstLine(config.path);
  const first = await person().secret('Passphrase of the offline keys');
  if (!(await isNew())) return first;
  if (first === (await person().secret('Once more'))) return first;
  throw new InstallerError('PASSPHRASE_NEEDED', 'the two passphrases differ', { fix: 'run the command again' });
}

async function firstLine(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).split(/\r?\n/, 1)[0] ?? '';
  } catch (cause) {
    throw new InstallerError('PASSPHRASE_NEEDED', `${file}: the passphrase can't be read`, { cause });
  }
}
