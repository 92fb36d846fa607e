import { KubeError } from './kube-error.ts';
import type { KubeObject } from './kube-object.ts';

type Test = (labels: Readonly<Record<string, string>>) => boolean;

const KEY = '[A-Za-z0-9][A-Za-z0-9._/-]*';
const VALUE = '[A-Za-z0-9._-]*';

function testOf(term: string): Test {
  const equal = new RegExp(`^(${KEY})\\s*(==|=|!=)\\s*(${VALUE})$`).exec(term);
  if (equal !== null) {
    const [, key = '', operator, value = ''] = equal;
    return (labels) => (labels[key] === value) === (operator !== '!=');
  }
  const set = new RegExp(`^(${KEY})\\s+(in|notin)\\s+\\(([^()]*)\\)$`).exec(term);
  if (set !== null) {
    const [, key = '', operator, list = ''] = set;
    const values = new Set(list.split(',').map((value) => value.trim()));
    return (labels) => {
      const value = labels[key];
      return (value !== undefined && values.has(value)) === (operator === 'in');
    };
  }
  const exists = new RegExp(`^(!?)(${KEY})$`).exec(term);
  if (exists === null) throw new KubeError('INVALID', `not a label selector: ${JSON.stringify(term)}`);
  const [, not, key = ''] = exists;
  return (labels) => (labels[key] !== undefined) === (not === '');
}

/** Reads a label selector as the API server does (equality and set terms). @throws KubeError `INVALID`. */
export function labelSelector(text: string): (labels: Readonly<Record<string, string>>) => boolean {
  const terms = text
    .split(/,(?![^()]*\))/)
    .map((term) => term.trim())
    .filter((term) => term !== '');
  const tests = terms.map(testOf);
  return (labels) => tests.every((test) => test(labels));
}

function valueAt(object: KubeObject, path: string): unknown {
  let value: unknown = object;
  for (const part of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[part];
  }
  return value;
}

/** Reads a field selector: `path=value` and `path!=value` terms. */
export function fieldSelector(text: string): (object: KubeObject) => boolean {
  const terms = text.split(',').filter((term) => term !== '');
  return (object) =>
    terms.every((term) => {
      const match = /^([^=!]+)(==|=|!=)(.*)$/.exec(term);
      if (match === null) throw new KubeError('INVALID', `not a field selector: ${JSON.stringify(term)}`);
      const [, path = '', operator, value] = match;
      const found = valueAt(object, path) ?? '';
      return (found === value) === (operator !== '!=');
    });
}
