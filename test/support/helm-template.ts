import { readdirSync } from 'node:fs';
import path from 'node:path';

import { execa } from 'execa';
import { loadAll } from 'js-yaml';

import { cacheFolder } from '../../scripts/lab/cache.ts';

/** A Kubernetes object as a chart renders it; read by tests only. */
export interface RenderedObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: Readonly<Record<string, unknown>>;
}

/** The helm that the lab's builds left, or `undefined` on a machine without one. */
export function builtHelm(): string | undefined {
  const folder = path.join(cacheFolder(), 'bin');
  try {
    const name = readdirSync(folder).find((entry) => entry.startsWith('helm-v'));
    return name === undefined ? undefined : path.join(folder, name);
  } catch {
    return undefined;
  }
}

/** Renders `charts/<chart>` with `sets` (`a.b=c`) as `helm template` does. */
export async function renderChart(
  helm: string,
  chart: string,
  sets: readonly string[] = [],
): Promise<RenderedObject[]> {
  const folder = path.resolve(import.meta.dirname, '..', '..', 'charts', chart);
  const values = sets.flatMap((pair) => ['--set-string', pair]);
  const { stdout } = await execa(helm, [
    'template',
    chart,
    folder,
    '--kube-version',
    '1.34',
    '--namespace',
    'test',
    ...values,
  ]);
  return (loadAll(stdout) as (RenderedObject | null)[]).filter((object) => object !== null);
}
