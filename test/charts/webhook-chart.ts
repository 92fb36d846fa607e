import path from 'node:path';

import { execa } from 'execa';
import { loadAll } from 'js-yaml';

import type { KubeObject } from '../../appliance/kube/kube-object.ts';

const FOLDER = path.resolve(import.meta.dirname, '..', '..', 'charts', 'webhook');

/** The files with the chart's CustomResourceDefinitions. */
export const POLICY_CRD = path.join(FOLDER, 'crds', 'clusterimagepolicies.yaml');
export const TRUST_ROOT_CRD = path.join(FOLDER, 'crds', 'trustroots.yaml');

/** Renders charts/webhook into sealift-system with `values` over its defaults. Rejects with helm's words. */
export async function renderWebhook(helm: string, values: Readonly<Record<string, unknown>>): Promise<KubeObject[]> {
  const flags = ['--kube-version', '1.34', '--namespace', 'sealift-system', '--values', '-'];
  const { stdout } = await execa(helm, ['template', 'webhook', FOLDER, ...flags], { input: JSON.stringify(values) });
  return (loadAll(stdout) as (KubeObject | null)[]).filter((object) => object !== null);
}
