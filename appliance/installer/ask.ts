import { confirm, input, password, select } from '@inquirer/prompts';

import { InstallerError } from './installer-error.ts';

/** One of several answers. */
export interface Choice<T extends string> {
  readonly value: T;
  readonly name: string;
}

/** A person at a terminal. */
export interface Person {
  text(
    question: string,
    options: { readonly preset: string; readonly check?: (text: string) => string | true },
  ): Promise<string>;
  choose<T extends string>(question: string, choices: readonly Choice<T>[], preset: T): Promise<T>;
  confirm(question: string, preset: boolean): Promise<boolean>;
  /** Shows nothing of what is typed. */
  secret(question: string): Promise<string>;
}

/** The person at this process's terminal. @throws InstallerError `ANSWER_NEEDED` when there is none. */
export function personAtTerminal(isTty: boolean, signal: AbortSignal): Person {
  if (!isTty) {
    throw new InstallerError('ANSWER_NEEDED', 'nobody is there to answer: this is no terminal', {
      fix: 'give the answers with --config appliance.yaml --yes',
    });
  }
  const context = { signal };
  return {
    text: (message, { preset, check = () => true }) => input({ message, default: preset, validate: check }, context),
    choose: (message, choices, preset) => select({ message, choices: [...choices], default: preset }, context),
    confirm: (message, preset) => confirm({ message, default: preset }, context),
    secret: (message) => password({ message, mask: false }, context),
  };
}
