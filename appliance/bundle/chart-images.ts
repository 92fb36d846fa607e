import { loadAll } from 'js-yaml';

import { formatImageReference, parseImageReference } from '../kernel/image-reference.ts';
import { BundleError } from './bundle-error.ts';

const CONTAINER_LISTS = new Set(['containers', 'initContainers', 'ephemeralContainers']);
const MAX_DEPTH = 64;

/**
 * Every image that rendered manifests make a node fetch, each once and fully qualified: the containers of any kind in any
 * object that holds a pod template, custom resources included, and image volumes.
 * @param what names the chart in errors.
 * @throws BundleError `CHART_INVALID`.
 */
export function imagesInManifests(yaml: string, what: string): string[] {
  let documents: unknown[];
  try {
    documents = loadAll(yaml);
  } catch (cause) {
    throw new BundleError('CHART_INVALID', `${what}: what it renders is not YAML`, { cause });
  }
  const found = documents.flatMap((document) => [...imagesBelow(document, 0)]);
  return [...new Set(found.map((text) => qualified(text, what)))].sort();
}

function* imagesBelow(value: unknown, depth: number): Generator<string> {
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return;
  for (const [key, member] of Object.entries(value)) {
    if (Array.isArray(member) && CONTAINER_LISTS.has(key)) yield* textsAt(member, ['image']);
    if (Array.isArray(member) && key === 'volumes') yield* textsAt(member, ['image', 'reference']);
    yield* imagesBelow(member, depth + 1);
  }
}

function* textsAt(items: readonly unknown[], path: readonly string[]): Generator<string> {
  for (const item of items) {
    const value = path.reduce<unknown>((current, step) => (isObject(current) ? current[step] : undefined), item);
    if (typeof value === 'string' && value !== '') yield value;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function qualified(text: string, what: string): string {
  try {
    return formatImageReference(parseImageReference(text));
  } catch (cause) {
    throw new BundleError('CHART_INVALID', `${what}: renders an image reference that is none`, { cause });
  }
}
