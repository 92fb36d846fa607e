import { randomBytes } from 'node:crypto';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { dump } from 'js-yaml';
import { ensureBinaries } from '../build-binaries.ts';
import { enterArgv, type LabLayout, labLayout } from '../layout.ts';
import { run } from '../program.ts';
import { type ConnectedFacts, loadConnectedFacts } from './connected-facts.ts';
import { UPSTREAM_HOSTS } from './upstream.ts';

const PROJECT = path.resolve(import.meta.dirname, '../../..');

/** A bundle that was made on a lab's connected side. */
export interface LabBundle {
  readonly archive: string;
  /** `sha256:…` of the key that signed it: what an operator trusts at first. */
  readonly fingerprint: string;
  /** The key's public half, PEM. */
  readonly publicKey: string;
}

/** What goes into a lab's bundle beside what the connected side has. */
export interface LabBundleInputs {
  /** The words that start `sealift`. */
  readonly sealift: readonly string[];
  /** The executable that is carried; none unless told. */
  readonly executable?: string;
}

/** The ClusterImagePolicy by which a lab's developers sign: their workflows and their people, by either log. */
export function applicationPolicy({ issuers }: ConnectedFacts): object {
  const keyless = (issuer: string, subjectRegExp: string) => ({
    keyless: { url: `https://${UPSTREAM_HOSTS.fulcio}`, identities: [{ issuer, subjectRegExp }] },
    ctlog: { url: `https://${UPSTREAM_HOSTS.rekor}` },
  });
  return {
    apiVersion: 'policy.sigstore.dev/v1beta1',
    kind: 'ClusterImagePolicy',
    metadata: { name: 'acme' },
    spec: {
      images: [{ glob: 'ghcr.io/acme/**' }],
      authorities: [
        { name: 'workflows', ...keyless(issuers.ci, String.raw`https://git\.acme\.example/acme/.*`) },
        { name: 'people', ...keyless(issuers.accounts, String.raw`.*@acme\.example`) },
      ],
    },
  };
}

/** `bundle.yaml` for everything that a lab's connected side has. File names as they are seen from the bundle's folder. */
export function bundleConfig(
  facts: ConnectedFacts,
  programs: { readonly helm: string; readonly executable?: string },
): object {
  const platform = 'linux/amd64';
  return {
    schemaVersion: 1,
    images: facts.applications.map(({ reference }) => reference),
    stack: path.join(PROJECT, 'charts'),
    upstream: [{ domain: facts.trustDomain, url: facts.tuf.url, root: facts.tuf.root }],
    policies: ['policy.yaml'],
    helm: { [platform]: programs.helm },
    ...(programs.executable === undefined ? {} : { executables: { [platform]: programs.executable } }),
    registries: { mirrors: facts.mirrors },
    signing: { keyFile: 'release.key', passphrase: { from: 'file', path: 'passphrase' } },
  };
}

/** Makes a release key and a bundle of everything in `folder`, with `sealift` itself, on a lab's connected side. */
export async function makeLabBundle(layout: LabLayout, folder: string, inputs: LabBundleInputs): Promise<LabBundle> {
  const facts = await loadConnectedFacts(layout);
  const helm = (await ensureBinaries(['helm'])).get('helm') ?? 'helm';
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const at = (name: string) => path.join(folder, name);
  const { executable } = inputs;
  const config = bundleConfig(facts, { helm, ...(executable === undefined ? {} : { executable }) });
  await writeFile(at('bundle.yaml'), dump(config));
  await writeFile(at('policy.yaml'), dump(applicationPolicy(facts)));
  const sealift = async (words: readonly string[]) => {
    const argv = [...enterArgv(layout, 'connected'), ...inputs.sealift, ...words];
    return (await run(argv, { cwd: folder, timeoutMs: 300_000 })).stdout;
  };
  const haveKey = await access(at('release.key')).then(
    () => true,
    () => false,
  );
  if (!haveKey) {
    await writeFile(at('passphrase'), `${randomBytes(18).toString('base64url')}\n`, { mode: 0o600 });
    const made = await sealift(['bundle', 'keygen', '--output', 'release.key', '--passphrase-file', 'passphrase']);
    await writeFile(at('fingerprint'), /sha256:[0-9a-f]{64}/.exec(made)?.[0] ?? '');
  }
  await sealift(['bundle', 'create', '--config', 'bundle.yaml', '--output', 'site.sealift', '--overwrite']);
  return {
    archive: at('site.sealift'),
    fingerprint: await readFile(at('fingerprint'), 'utf8'),
    publicKey: at('release.key.pub'),
  };
}

if (import.meta.main) {
  const [name = 'lab', folder = path.resolve('build/lab-bundle')] = process.argv.slice(2);
  const sealift = [process.execPath, path.join(PROJECT, 'appliance/cli.ts')];
  console.log(JSON.stringify(await makeLabBundle(labLayout(name), path.resolve(folder), { sealift }), null, 2));
}
