import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { BundleError } from './bundle-error.ts';
import type { ChartSource } from './chart-source.ts';

/** Gives the manifests that a chart renders to. */
export type RenderChart = (chart: ChartSource, values: Readonly<Record<string, unknown>>) => Promise<string>;

/** The oldest Kubernetes that sites run: charts that ask for less are rendered as there. */
const KUBERNETES = '1.30.0';
const TIMEOUT_MS = 120_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/** Renders with a `helm` program, in a folder of its own that is removed again; no cluster is asked. */
export function helmRenderer(program: string, signal?: AbortSignal): RenderChart {
  return async (chart, values) => {
    const folder = await mkdtemp(path.join(tmpdir(), 'sealift-chart-'));
    try {
      const archive = path.join(folder, 'chart.tgz');
      const valuesFile = path.join(folder, 'values.json');
      await writeFile(archive, chart.archive);
      await writeFile(valuesFile, JSON.stringify(values));
      const args = ['template', chart.name.slice(0, 53), archive, '--values', valuesFile, '--kube-version', KUBERNETES];
      return await run(program, args, { folder, chart, signal });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  };
}

interface Run {
  readonly folder: string;
  readonly chart: ChartSource;
  readonly signal: AbortSignal | undefined;
}

async function run(program: string, args: readonly string[], { folder, chart, signal }: Run): Promise<string> {
  // Helm writes caches where HOME says; nothing of the user's own set-up takes part in rendering.
  const env = { PATH: '', HOME: folder, HELM_CACHE_HOME: folder, HELM_CONFIG_HOME: folder, HELM_DATA_HOME: folder };
  const options = {
    timeout: TIMEOUT_MS,
    maxBuffer: MAX_OUTPUT_BYTES,
    env,
    ...(signal === undefined ? {} : { signal }),
  };
  return await new Promise((resolve, reject) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) {
        resolve(stdout);
        return;
      }
      if (error.code === 'ENOENT' || error.code === 'EACCES') {
        reject(
          new BundleError('HELM_MISSING', `${program} can't be run`, {
            cause: error,
            fix: 'check helm in bundle.yaml',
          }),
        );
        return;
      }
      const why = stderr
        .trim()
        .replace(/^Error: /, '')
        .slice(0, 1000);
      reject(
        new BundleError('CHART_INVALID', `chart ${chart.name} can't be rendered: ${why || error.message}`, {
          fix: 'give it the values that it needs: charts[].values in bundle.yaml',
        }),
      );
    });
  });
}
