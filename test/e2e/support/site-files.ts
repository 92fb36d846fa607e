import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

import type { ConnectedFacts } from '../../../scripts/lab/connected/connected-facts.ts';
import { sitePolicies } from './policies.ts';
import { PROJECT } from './site.ts';

/** The files of a run: what the release engineer and the operator write and get. All below one folder. */
export interface SiteFiles {
  readonly folder: string;
  readonly bundleConfig: string;
  readonly bundle: string;
  readonly releaseKey: string;
  readonly passphrase: string;
  readonly appliance: string;
}

/** Names the files of a run on the lab `name`. */
export function siteFiles(name: string): SiteFiles {
  const folder = path.join(PROJECT, 'build', 'e2e', name);
  const below = (file: string) => path.join(folder, file);
  return {
    folder,
    bundleConfig: below('bundle.yaml'),
    bundle: below('site.sealift'),
    releaseKey: below('release.key'),
    passphrase: below('passphrase'),
    appliance: below('appliance.yaml'),
  };
}

/** An empty folder for a run, with the passphrase in it. Keys of an earlier run are gone. */
export async function clearSiteFiles(files: SiteFiles): Promise<void> {
  await rm(files.folder, { recursive: true, force: true });
  await mkdir(files.folder, { recursive: true });
  await writeFile(files.passphrase, 'correct horse battery staple\n', { mode: 0o600 });
}

/** Further images that the site needs for its own work: cosign for its builder, and a shell. */
const TOOLS = ['ghcr.io/sigstore/cosign/cosign', 'docker.io/library/busybox'];

/** What `bundle.yaml` names besides the connected side's own facts. */
export interface Programs {
  readonly helm: string;
  readonly executable: string;
}

/** Writes `bundle.yaml`: real upstream names; only the mirror map knows of the lab. JSON is YAML. */
export async function writeBundleConfig(files: SiteFiles, facts: ConnectedFacts, programs: Programs): Promise<void> {
  const policies = path.join(files.folder, 'policies.yaml');
  await writeFile(
    policies,
    sitePolicies(facts)
      .map((document) => `---\n${JSON.stringify(document, null, 2)}\n`)
      .join(''),
  );
  const repository = (reference: string) => reference.replace(/:[^:/]+$/, '');
  const tools = facts.images.map(({ reference }) => reference).filter((name) => TOOLS.includes(repository(name)));
  const config = {
    schemaVersion: 1,
    images: facts.applications.map(({ reference }) => reference),
    sealiftImages: tools,
    stack: path.join(PROJECT, 'charts'),
    upstream: [{ domain: facts.trustDomain, url: facts.tuf.url, root: facts.tuf.root }],
    policies: [policies],
    helm: { 'linux/amd64': programs.helm },
    executables: { 'linux/amd64': programs.executable },
    registries: { mirrors: facts.mirrors },
    signing: { keyFile: files.releaseKey, passphrase: { from: 'file', path: files.passphrase } },
  };
  await writeFile(files.bundleConfig, JSON.stringify(config, null, 2));
}

/** Namespace whose workloads are refused when they don't verify, from the first install on. */
export const ENFORCED = 'shop';

/** Writes `appliance.yaml` with as little as a site can say. */
export async function writeApplianceConfig(files: SiteFiles): Promise<void> {
  const config = {
    schemaVersion: 1,
    site: { name: 'e2e' },
    keys: { passphrase: { from: 'file', path: files.passphrase } },
    webhook: { enforce: [ENFORCED] },
  };
  await writeFile(files.appliance, JSON.stringify(config, null, 2));
}

/** The fingerprint that the release engineer tells the operator by another way than the archive's. */
export async function releaseFingerprint(files: SiteFiles): Promise<string> {
  return (await readFile(`${files.releaseKey}.fingerprint`, 'utf8')).trim();
}
