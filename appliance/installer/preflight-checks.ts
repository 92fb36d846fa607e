import type { ApplianceConfig } from '../config/schema.ts';
import type { InstallBundle } from './install-bundle.ts';
import type { ClusterFacts, IssuerFacts, NodeFacts } from './observe.ts';

/** One thing that was checked before anything is changed. */
export interface CheckResult {
  readonly id: string;
  readonly outcome: 'ok' | 'warn' | 'fail';
  /** What was found, in one line. */
  readonly message: string;
  /** What to do about it. */
  readonly fix?: string;
}

/** What the checks are made of. */
export interface CheckInput {
  readonly config: ApplianceConfig;
  readonly facts: ClusterFacts;
  readonly bundle: Pick<InstallBundle, 'images'>;
  readonly now: Date;
}

const OLDEST_MINOR = 30;
/** Fulcio's certificates live ten minutes, so clocks may differ by far less than that. */
const MAX_SKEW_MS = 30_000;
/** Kubelet renews its Lease every ten seconds and is given up after forty. */
const MAX_SILENCE_MS = 90_000;

const ok = (id: string, message: string): CheckResult => ({ id, outcome: 'ok', message });
const warn = (id: string, message: string, fix: string): CheckResult => ({ id, outcome: 'warn', message, fix });
const fail = (id: string, message: string, fix: string): CheckResult => ({ id, outcome: 'fail', message, fix });

function version({ facts }: CheckInput): CheckResult {
  const { major, minor, text } = facts.version;
  if (major > 1 || minor >= OLDEST_MINOR) return ok('version', `Kubernetes ${text}`);
  return fail('version', `Kubernetes ${text}: 1.${OLDEST_MINOR} or newer is needed`, 'upgrade the cluster first');
}

function nodes({ facts }: CheckInput): CheckResult {
  const notReady = facts.nodes.filter((node) => !node.isReady).map((node) => node.name);
  if (facts.nodes.length === 0) return fail('nodes', 'the cluster has no nodes', 'join nodes first');
  if (notReady.length === 0) return ok('nodes', `${facts.nodes.length} nodes, all ready`);
  return fail('nodes', `not ready: ${notReady.join(', ')}`, 'kubectl describe node NAME');
}

function architectures({ facts, bundle }: CheckInput): CheckResult {
  const wanted = [...new Set(facts.nodes.map((node) => `${node.operatingSystem}/${node.architecture}`))];
  const lacking = wanted.flatMap((platform) =>
    bundle.images
      .filter(({ platforms }) => platforms.length > 0 && !platforms.includes(platform))
      .map(({ repository }) => `${repository} for ${platform}`),
  );
  if (lacking.length === 0) return ok('architectures', wanted.join(', '));
  return fail(
    'architectures',
    `the bundle lacks ${lacking.slice(0, 5).join(', ')}`,
    'make the bundle for these platforms',
  );
}

function storage({ facts, config }: CheckInput): CheckResult {
  const { className } = config.storage;
  const names = facts.storageClasses.map(({ name }) => name).join(', ');
  if (className !== '') {
    const found = facts.storageClasses.some(({ name }) => name === className);
    if (found) return ok('storage', `storage class ${className}`);
    return fail(
      'storage',
      `there is no storage class ${className}`,
      `set storage.className to one of: ${names || 'none is there'}`,
    );
  }
  const standard = facts.storageClasses.find(({ isDefault }) => isDefault);
  if (standard !== undefined) return ok('storage', `default storage class ${standard.name}`);
  const fix = names === '' ? 'install a storage provisioner first' : `set storage.className to one of: ${names}`;
  return fail('storage', 'the cluster has no default storage class', fix);
}

function space({ facts, bundle }: CheckInput): CheckResult {
  const pressed = facts.nodes.filter((node) => node.hasDiskPressure).map((node) => node.name);
  if (pressed.length > 0)
    return fail('space', `no disk space left on ${pressed.join(', ')}`, 'free space on these nodes');
  const needed = bundle.images.reduce((sum, { size }) => sum + size, 0);
  const small = facts.nodes.filter((node) => (node.ephemeralStorage ?? Number.POSITIVE_INFINITY) < needed);
  const gigabytes = (needed / 1e9).toFixed(1);
  if (small.length === 0) return ok('space', `images take ${gigabytes} GB`);
  const where = small.map((node) => node.name).join(', ');
  return fail(
    'space',
    `the bundle's images take ${gigabytes} GB, more than the disks of ${where}`,
    'give these nodes larger disks',
  );
}

function runtime({ facts, config }: CheckInput): CheckResult {
  const others = facts.nodes.filter((node) => !node.runtime.startsWith('containerd://')).map((node) => node.name);
  if (others.length === 0) return ok('runtime', 'containerd on every node');
  if (config.registry.kind === 'external') {
    return warn(
      'runtime',
      `not containerd: ${others.join(', ')}`,
      'configure the registry mirror on these nodes yourself',
    );
  }
  return fail('runtime', `not containerd: ${others.join(', ')}`, 'nodes need containerd 1.6 or newer');
}

function clocks({ facts, now }: CheckInput): CheckResult {
  const skews = facts.nodes.flatMap(({ name, heardAt }) =>
    heardAt === undefined ? [] : [{ name, aheadMs: heardAt.getTime() - now.getTime() }],
  );
  const ahead = skews.filter(({ aheadMs }) => aheadMs > MAX_SKEW_MS);
  const behind = skews.filter(({ aheadMs }) => aheadMs < -MAX_SILENCE_MS);
  const describe = ({ name, aheadMs }: { name: string; aheadMs: number }): string =>
    `${name} by ${Math.round(Math.abs(aheadMs) / 1000)} s`;
  if (ahead.length + behind.length === 0) return ok('clocks', 'the clocks of this machine and the nodes agree');
  const fix = 'set the clocks (of this machine, too): signing certificates live ten minutes only';
  const words = [
    ...ahead.map((skew) => `${describe(skew)} ahead`),
    ...behind.map((skew) => `${describe(skew)} behind`),
  ];
  return fail('clocks', `clocks differ: ${words.join(', ')}`, fix);
}

/** How Fulcio will get at the keys of the cluster's tokens. */
export type IssuerMode = 'relay' | 'direct';

/** The mode that is in force: the configured one, or the one that the issuer's documents call for. */
export function issuerMode(config: ApplianceConfig, { issuer, jwksUri }: IssuerFacts): IssuerMode {
  if (config.issuer.mode !== 'auto') return config.issuer.mode;
  const host = new URL(issuer).host;
  const isInCluster = /^kubernetes\.default(?:\.|$)/.test(host);
  return !isInCluster && URL.canParse(jwksUri) && new URL(jwksUri).host === host ? 'direct' : 'relay';
}

function issuer({ facts, config }: CheckInput): CheckResult {
  if (facts.issuer === undefined) {
    const fix = 'start the API server with --service-account-issuer=https://…; pods sign with its tokens';
    return fail('issuer', 'the API server does not state its token issuer', fix);
  }
  const { issuer: url, jwksUri } = facts.issuer;
  if (!URL.canParse(url) || !url.startsWith('https://')) {
    return fail(
      'issuer',
      `the token issuer is ${url}, not an https URL`,
      'set --service-account-issuer of the API server',
    );
  }
  const mode = issuerMode(config, facts.issuer);
  const { port, host } = new URL(url);
  if (mode === 'relay' && port !== '') {
    return fail(
      'issuer',
      `the relay answers on port 443, the issuer ${url} names another`,
      'set issuer.mode to direct',
    );
  }
  const jwksHost = URL.canParse(jwksUri) ? new URL(jwksUri).host : jwksUri;
  if (mode === 'direct' && jwksHost !== host) {
    const why = `Fulcio refuses keys from ${jwksHost} for an issuer at ${host}`;
    return fail(
      'issuer',
      why,
      'set issuer.mode to relay, or --service-account-jwks-uri of the API server to the issuer’s host',
    );
  }
  return ok('issuer', mode === 'relay' ? `${url}, keys through the relay` : `${url}, asked directly`);
}

/** Judges a cluster before anything is changed. Pure. */
export function preflightChecks(input: CheckInput): CheckResult[] {
  return [version, nodes, architectures, storage, space, runtime, clocks, issuer].map((check) => check(input));
}

/** The images that must already lie on every node, by what they are for. */
export function imagesLackedBy(
  node: NodeFacts,
  wanted: readonly { readonly repository: string; readonly digest: string }[],
): string[] {
  const known = new Set(node.images);
  return wanted.map(({ repository, digest }) => `${repository}@${digest}`).filter((reference) => !known.has(reference));
}
