import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { ExecaError, execa } from 'execa';
import { z } from 'zod';

import { parseJson } from '../kernel/json.ts';
import type { ChartRelease, Helm, HelmValues, Release, ReleaseName, ReleaseStatus } from './helm.ts';
import { HelmError } from './helm-error.ts';

/** How the `helm` program is called. */
export interface HelmCliOptions {
  /** Path of the program. */
  readonly binary: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  /** Removes a Secret that Helm keeps a release in; needed to take over what a killed Helm left `pending`. */
  readonly deleteSecret: (name: { readonly namespace: string; readonly name: string }) => Promise<unknown>;
  readonly signal?: AbortSignal;
}

const TIMEOUT_MS = 300_000;
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;
const HISTORY = '3';
const DIGEST = /^sealift (sha256:[0-9a-f]{64})$/;

const historySchema = z.array(
  z.looseObject({ revision: z.number(), status: z.string(), chart: z.string(), description: z.string().default('') }),
);
const listSchema = z.array(z.looseObject({ name: z.string() }));

/** The real Helm. Values travel in files that only the owner can read, never in arguments. */
export class HelmCli implements Helm {
  readonly #options: HelmCliOptions;

  constructor(options: HelmCliOptions) {
    this.#options = options;
  }

  template(release: ChartRelease): Promise<string> {
    return this.#withValues(release, (file) =>
      this.#run(['template', release.name, release.chart, '--namespace', release.namespace, '--values', file]),
    );
  }

  async release({ name, namespace }: ReleaseName): Promise<Release | undefined> {
    const text = await this.#run(['history', name, '--namespace', namespace, '--max', '1', '--output', 'json']).catch(
      (error: unknown) => {
        if (error instanceof HelmError && /release: not found/.test(error.message)) return undefined;
        throw error;
      },
    );
    if (text === undefined) return undefined;
    const last = historySchema.parse(parseJson(text, 'helm history', { maxBytes: MAX_OUTPUT_BYTES })).at(-1);
    if (last === undefined) return undefined;
    const { revision, chart, status, description } = last;
    return { name, namespace, revision, chart, status: statusOf(status), digest: DIGEST.exec(description)?.[1] };
  }

  async list(namespace: string): Promise<Release[]> {
    const text = await this.#run(['list', '--all', '--namespace', namespace, '--output', 'json', '--max', '0']);
    const rows = listSchema.parse(parseJson(text, 'helm list', { maxBytes: MAX_OUTPUT_BYTES }));
    // One that was uninstalled between the list and the question is left out.
    const releases = await Promise.all(rows.map(({ name }) => this.release({ name, namespace })));
    return releases.filter((release) => release !== undefined).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async deploy(release: ChartRelease, digest: string): Promise<'deployed' | 'unchanged'> {
    const current = await this.release(release);
    if (current?.status === 'deployed' && current.digest === digest) return 'unchanged';
    if (current?.status === 'pending') {
      // Helm refuses to touch it; without its record the next revision adopts the objects, which bear the release's name.
      const name = `sh.helm.release.v1.${current.name}.v${current.revision}`;
      await this.#options.deleteSecret({ namespace: current.namespace, name });
    }
    const { name, chart, namespace } = release;
    const description = `sealift ${digest}`;
    await this.#withValues(release, (file) =>
      this.#run([
        ...['upgrade', name, chart, '--install', '--namespace', namespace, '--values', file, '--reset-values'],
        ...['--history-max', HISTORY, '--description', description, '--output', 'json'],
      ]),
    );
    return 'deployed';
  }

  async values(name: ReleaseName): Promise<HelmValues | undefined> {
    if ((await this.release(name)) === undefined) return undefined;
    const text = await this.#run(['get', 'values', name.name, '--namespace', name.namespace, '--output', 'json']);
    const values = z.record(z.string(), z.unknown()).nullable().parse(parseJson(text, 'helm get values'));
    return values ?? {};
  }

  async uninstall(name: ReleaseName): Promise<boolean> {
    if ((await this.release(name)) === undefined) return false;
    await this.#run(['uninstall', name.name, '--namespace', name.namespace]);
    return true;
  }

  async #withValues<T>({ values }: ChartRelease, use: (file: string) => Promise<T>): Promise<T> {
    const folder = await mkdtemp(path.join(tmpdir(), 'sealift-values-'));
    try {
      const file = path.join(folder, 'values.json');
      await writeFile(file, JSON.stringify(values), { mode: 0o600 });
      return await use(file);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #run(args: readonly string[]): Promise<string> {
    const { binary, kubeconfig, context, signal } = this.#options;
    const where = [
      ...(kubeconfig === undefined ? [] : ['--kubeconfig', kubeconfig]),
      ...(context === undefined ? [] : ['--kube-context', context]),
    ];
    const home = await mkdtemp(path.join(tmpdir(), 'sealift-helm-'));
    try {
      const { stdout } = await execa(binary, [...args, ...where], {
        // Helm must not read the operator's own repositories and plugins, nor write beside them.
        env: { HELM_CONFIG_HOME: home, HELM_CACHE_HOME: home, HELM_DATA_HOME: home },
        stdin: 'ignore',
        timeout: TIMEOUT_MS,
        maxBuffer: MAX_OUTPUT_BYTES,
        ...(signal === undefined ? {} : { cancelSignal: signal }),
      });
      return stdout;
    } catch (error) {
      throw failure(error, { binary, args });
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  }
}

function statusOf(status: string): ReleaseStatus {
  if (status === 'deployed' || status === 'failed' || status === 'uninstalled') return status;
  return status.startsWith('pending') || status === 'uninstalling' ? 'pending' : 'other';
}

function failure(error: unknown, { binary, args }: { binary: string; args: readonly string[] }): unknown {
  if (!(error instanceof ExecaError)) return error;
  const output: unknown = error.stderr;
  const verb = `helm ${args.slice(0, 2).join(' ')}`;
  if (error.isCanceled) return error;
  if (error.code === 'ENOENT' || error.code === 'EACCES') {
    return new HelmError('HELM_MISSING', `${binary} can't be run`, { fix: 'name the bundle, which brings helm along' });
  }
  if (error.timedOut) return new HelmError('HELM_TIMEOUT', `${verb}: not done after ${TIMEOUT_MS / 1000} s`);
  const said = typeof output === 'string' ? output.trim().slice(-4000) : '';
  const message = `${verb}: ${said === '' ? error.shortMessage : said}`;
  if (/values don't meet the specifications of the schema/.test(said)) return new HelmError('VALUES_INVALID', message);
  const isChart =
    /(parse error|execution error|error calling|Chart\.yaml|failed to load|YAML parse|path ".*" not found)/;
  return new HelmError(isChart.test(said) ? 'CHART_INVALID' : 'RELEASE_FAILED', message);
}
