import path from 'node:path';

import { execa } from 'execa';
import { loadAll } from 'js-yaml';

import type { KubeObject } from '../../appliance/kube/kube-object.ts';

const FOLDER = path.resolve(import.meta.dirname, '..', '..', 'charts', 'node-agent');

/** Renders charts/node-agent into sealift-system with `values` over its defaults. Rejects with helm's words. */
export async function renderNodeAgent(helm: string, values: Readonly<Record<string, unknown>>): Promise<KubeObject[]> {
  const flags = ['--kube-version', '1.34', '--namespace', 'sealift-system', '--values', '-'];
  const { stdout } = await execa(helm, ['template', 'node-agent', FOLDER, ...flags], { input: JSON.stringify(values) });
  return (loadAll(stdout) as (KubeObject | null)[]).filter((object) => object !== null);
}
