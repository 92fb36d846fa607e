import path from 'node:path';

import { Command } from '@commander-js/extra-typings';

import { loadConfig } from '../config/load.ts';
import type { ApplianceConfig } from '../config/schema.ts';
import { EXIT } from '../exit-code.ts';
import { personAtTerminal } from '../installer/ask.ts';
import { installSite } from '../installer/install.ts';
import { InstallerError } from '../installer/installer-error.ts';
import { KeyVault } from '../installer/key-vault.ts';
import { type ClusterFacts, observe } from '../installer/observe.ts';
import { openCluster, openVerifiedBundle, trustedKeys, unpackBundle, withWorkFolder } from '../installer/open-site.ts';
import { readPassphrase } from '../installer/passphrase.ts';
import { askForConfig, readSiteConfig } from '../installer/site-config.ts';
import type { Cluster } from '../kube/cluster.ts';
import type { Runtime } from '../runtime.ts';

const READY_TIMEOUT_MS = 420_000;

interface Flags {
  readonly bundle: string;
  readonly config?: string | undefined;
  readonly yes?: true | undefined;
  readonly plan?: true | undefined;
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly trustKey?: string[] | undefined;
  readonly stateDir?: string | undefined;
}

/** `sealift install`: makes a cluster a site, or brings a site in line with a newer bundle. */
export function installCommand(runtime: Runtime) {
  return new Command('install')
    .description('install a site from a bundle, or bring it in line with a newer one')
    .requiredOption('-b, --bundle <file>', 'the archive that was carried in')
    .option('-c, --config <file>', 'appliance.yaml; else what the site keeps, else questions')
    .option('-y, --yes', 'go ahead without asking')
    .option('--plan', 'show what would be done, and change nothing')
    .option('--kubeconfig <file>', 'cluster to install into')
    .option('--context <name>', 'context of the kubeconfig')
    .option('--trust-key <key...>', 'whose bundles are taken: sha256:… or a public key file')
    .option('--state-dir <folder>', 'folder of the offline keys; overrides the configuration')
    .action((flags) => withWorkFolder((folder) => install(runtime, flags, folder)));
}

async function install(runtime: Runtime, flags: Flags, workFolder: string): Promise<void> {
  const { cwd, clock, signal, stdout, isTty } = runtime;
  // The bundle comes first: nothing on the site is touched before every byte of it was checked.
  const reader = await openVerifiedBundle(runtime, path.resolve(cwd, flags.bundle), await trustedKeys(flags, [], cwd));
  try {
    const cluster = openCluster(flags, cwd);
    const facts = await observe(cluster);
    const config = await chooseConfig(runtime, flags, { cluster, facts });
    const { bundle, helm } = await unpackBundle(reader, workFolder, { cluster, flags, runtime });
    const outcome = await installSite(
      {
        ...{ config, cluster, helm, bundle, facts, clock, signal },
        vault: vaultOf(runtime, config),
        readyTimeoutMs: READY_TIMEOUT_MS,
      },
      {
        isTty,
        output: stdout,
        planOnly: flags.plan === true,
        confirm: async () => flags.yes === true || personAtTerminal(isTty, signal).confirm('Go ahead?', true),
        resume: resumeCommand(flags),
      },
    );
    if (outcome === 'declined') process.exitCode = EXIT.actionNeeded;
    if (outcome === 'installed') stdout.write(`Site ${config.site.name} is installed. See: sealift status\n`);
  } finally {
    await reader.close();
  }
}

async function chooseConfig(
  runtime: Runtime,
  flags: Flags,
  { cluster, facts }: { cluster: Cluster; facts: ClusterFacts },
): Promise<ApplianceConfig> {
  const config = await configFrom(runtime, flags, { cluster, facts });
  if (flags.stateDir === undefined) return config;
  return { ...config, keys: { ...config.keys, stateDir: path.resolve(runtime.cwd, flags.stateDir) } };
}

async function configFrom(
  { cwd, isTty, signal }: Runtime,
  flags: Flags,
  { cluster, facts }: { cluster: Cluster; facts: ClusterFacts },
): Promise<ApplianceConfig> {
  if (flags.config !== undefined) return loadConfig(path.resolve(cwd, flags.config));
  const kept = await readSiteConfig(cluster);
  if (kept !== undefined) return kept;
  if (flags.yes === true) {
    throw new InstallerError('ANSWER_NEEDED', 'this cluster is no site yet, and no configuration was given', {
      fix: 'name one with --config appliance.yaml, or leave --yes out to be asked',
    });
  }
  return askForConfig(personAtTerminal(isTty, signal), facts, cwd);
}

function vaultOf({ env, isTty, signal }: Runtime, { keys }: ApplianceConfig): KeyVault {
  const vault: KeyVault = new KeyVault({
    folder: keys.stateDir,
    passphrase: () =>
      readPassphrase({
        config: keys.passphrase,
        env,
        person: () => personAtTerminal(isTty, signal),
        isNew: async () => !(await vault.hasAny()),
      }),
  });
  return vault;
}

function resumeCommand({ bundle, config, kubeconfig, context, trustKey }: Flags): string {
  const flag = (name: string, value: string | undefined): string => (value === undefined ? '' : ` ${name} ${value}`);
  const keys = (trustKey ?? []).map((key) => ` --trust-key ${key}`).join('');
  return `sealift install --bundle ${bundle}${flag('--config', config)}${flag('--kubeconfig', kubeconfig)}${flag('--context', context)}${keys}`;
}
