import { existsSync } from 'node:fs';

import test from 'ava';

import type { ChartRelease } from '../../../appliance/helm/helm.ts';
import { HelmError } from '../../../appliance/helm/helm-error.ts';
import { MemoryHelm } from '../../../appliance/helm/helm-memory.ts';
import { helmContract } from '../../contracts/helm.ts';

interface ConfigMap {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly data: { readonly greeting: string };
}

function render({ chart, name, namespace, values }: ChartRelease): ConfigMap[] {
  if (!existsSync(chart)) throw new HelmError('CHART_INVALID', `${chart}: not there`);
  const greeting = values['greeting'];
  if (typeof greeting !== 'string') throw new HelmError('VALUES_INVALID', 'greeting: a string is wanted');
  return [{ metadata: { name, namespace }, data: { greeting } }];
}

const cluster = new Map<string, ConfigMap>();
const helm = new MemoryHelm({
  render,
  apply: async (manifests) => {
    for (const manifest of manifests as ConfigMap[]) cluster.set(manifest.metadata.name, manifest);
  },
  remove: async (manifests) => {
    for (const manifest of manifests as ConfigMap[]) cluster.delete(manifest.metadata.name);
  },
});

helmContract(test, 'memory', () =>
  Promise.resolve({ helm, greeting: async ({ name }) => cluster.get(name)?.data.greeting }),
);
