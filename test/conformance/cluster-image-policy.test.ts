import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import test from 'ava';
import { loadAll } from 'js-yaml';

import { describeError } from '../../appliance/kernel/coded-error.ts';
import { parsePolicy } from '../../appliance/verification/policy.ts';

// policy-controller's ClusterImagePolicy documents: `valid` must be taken, `invalid` refused for the reason in `# ERROR:`.

const VECTORS = path.join(import.meta.dirname, '../../../shared/vectors/policy-controller');

interface Document {
  readonly text: string;
  readonly objects: readonly unknown[];
}

function documentsIn(folder: string): [name: string, Document][] {
  return readdirSync(path.join(VECTORS, folder))
    .filter((name) => name.startsWith('cip-') || folder !== 'e2e')
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => {
      const text = readFileSync(path.join(VECTORS, folder, name), 'utf8');
      return [name, { text, objects: loadAll(text).filter((one) => one !== null && one !== undefined) }];
    });
}

function refusalOf({ objects }: Document): string | undefined {
  try {
    for (const one of objects) parsePolicy(one);
    return undefined;
  } catch (error) {
    return describeError(error);
  }
}

/** The field paths that an `# ERROR:` line names, and what it says about them. */
function expectations(text: string): { paths: string[]; kind: RegExp }[] {
  const lines = [...text.matchAll(/^# ERROR:\s*(.*)$/gm)].map(([, line = '']) => line);
  return lines.map((line) => ({
    paths: line.match(/(?:spec|keyless)\.[A-Za-z0-9.[\]-]+/g) ?? [],
    kind: /missing/.test(line)
      ? /missing field/
      : /exactly one/.test(line)
        ? /expected exactly one, got (?:neither|both)/
        : /invalid/i.test(line)
          ? /invalid value/i
          : /./,
  }));
}

if (existsSync(VECTORS)) {
  for (const folder of ['valid', 'e2e']) {
    for (const [name, document] of documentsIn(folder)) {
      test(`${folder}/${name} is taken`, (t) => t.is(refusalOf(document), undefined));
    }
  }
  for (const folder of ['invalid', 'empty-authorities']) {
    for (const [name, document] of documentsIn(folder)) {
      test(`${folder}/${name} is refused for its reason`, (t) => {
        const refusal = refusalOf(document) ?? 'taken';
        t.not(refusal, 'taken');
        for (const { paths, kind } of expectations(document.text)) {
          t.regex(refusal, kind);
          for (const one of paths) t.true(refusal.includes(one), `${refusal} does not name ${one}`);
        }
      });
    }
  }
} else {
  test('skipped: vectors not present', (t) => t.pass());
}
