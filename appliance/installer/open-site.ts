import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { type BundleReader, openBundle } from '../../mirror/open-bundle.ts';
import { verifyBundle } from '../../mirror/verify-bundle.ts';
import { progressDisplay } from '../bundle/byte-progress.ts';
import { trustedFingerprint } from '../bundle/release-key.ts';
import type { Helm } from '../helm/helm.ts';
import { HelmCli } from '../helm/helm-cli.ts';
import type { Digest } from '../kernel/digest.ts';
import type { Cluster } from '../kube/cluster.ts';
import { connectCluster } from '../kube/connect.ts';
import { KINDS } from '../kube/kube-object.ts';
import type { Runtime } from '../runtime.ts';
import type { InstallBundle } from './install-bundle.ts';
import { InstallerError } from './installer-error.ts';
import { openedBundle, takeProgram } from './opened-bundle.ts';

/** Which cluster, as flags say it. */
export interface ClusterFlags {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}

/** Opens the cluster that the flags name; `KUBECONFIG` and `~/.kube/config` count too. */
export function openCluster({ kubeconfig, context }: ClusterFlags, cwd: string): Cluster {
  return connectCluster({
    ...(kubeconfig === undefined ? {} : { kubeconfig: path.resolve(cwd, kubeconfig) }),
    ...(context === undefined ? {} : { context }),
  });
}

/** This machine as images and programs name it. */
export function localPlatform(): string {
  const architectures: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
  return `linux/${architectures[process.arch] ?? process.arch}`;
}

/** Gives a folder for temporary files to `work`, and removes it afterwards. */
export async function withWorkFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sealift-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Which bundle, and whose signature is taken. */
export interface BundleFlags {
  readonly bundle: string;
  readonly trustKey?: readonly string[] | undefined;
}

/** The keys that a site or the command line trusts to sign bundles. @throws InstallerError `ANSWER_NEEDED` when there are none. */
export async function trustedKeys(
  { trustKey = [] }: BundleFlags,
  known: readonly Digest[],
  cwd: string,
): Promise<Digest[]> {
  const named = await Promise.all(
    trustKey.map((text) => trustedFingerprint(text.startsWith('sha256:') ? text : path.resolve(cwd, text))),
  );
  const all = [...new Set([...named, ...known])];
  if (all.length > 0) return all;
  throw new InstallerError('ANSWER_NEEDED', 'nobody said whose bundles are taken', {
    fix: 'compare the fingerprint that the maker of the bundle published, and pass it with --trust-key sha256:…',
  });
}

/** Opens a bundle and checks every byte of it. The caller closes it. */
export async function openVerifiedBundle(
  runtime: Runtime,
  file: string,
  keys: readonly Digest[],
): Promise<BundleReader> {
  const reader = await openBundle(file, { trustedKeys: keys });
  const { stderr, clock, isTty, signal } = runtime;
  const progress = progressDisplay('bundle checked', { stream: stderr, isTty, clock });
  try {
    await verifyBundle(reader, { onProgress: (update) => progress.update(update), signal });
    return reader;
  } catch (error) {
    await reader.close();
    throw error;
  } finally {
    progress.end();
  }
}

/** The parts of a bundle that an installation uses: itself, and the Helm that it brings along. */
export async function unpackBundle(
  reader: BundleReader,
  workFolder: string,
  { cluster, flags, runtime }: { cluster: Cluster; flags: ClusterFlags; runtime: Runtime },
): Promise<{ bundle: InstallBundle; helm: Helm }> {
  const program = { kind: 'helm', platform: localPlatform() };
  const binary = await takeProgram(reader, program, path.join(workFolder, 'bin', 'helm'));
  const { kubeconfig, context } = flags;
  const helm = new HelmCli({
    binary,
    ...(kubeconfig === undefined ? {} : { kubeconfig: path.resolve(runtime.cwd, kubeconfig) }),
    ...(context === undefined ? {} : { context }),
    deleteSecret: (name) => cluster.delete({ kind: KINDS.secret, ...name }),
    signal: runtime.signal,
  });
  return { bundle: await openedBundle(reader, workFolder), helm };
}
